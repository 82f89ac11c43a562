-- Owner: internal/idempotency.
-- +goose Up
create table idempotency_record (
    user_id     uuid        not null,
    key         text        not null,
    fingerprint bytea       not null,
    resource_id uuid        not null,
    status      smallint    not null,
    created_at  timestamptz not null default now(),
    primary key (user_id, key)
);
comment on table idempotency_record is 'What a key was first used for. The answer is rendered again from the resource; no body is kept.';
comment on column idempotency_record.key is 'erase: 24 hours after creation, or with the account';
comment on column idempotency_record.fingerprint is 'erase: 24 hours after creation, or with the account';
create index idempotency_record_created_idx on idempotency_record (created_at);

-- +goose Down
drop table idempotency_record;
