-- Owner: internal/auth/apikey.
-- +goose Up
create table api_key (
    id           uuid        not null primary key default gen_random_uuid(), -- in the key itself, as base62
    user_id      uuid        not null,                                       -- auth.user; no foreign key: erasure is ours, step by step
    name         text        not null,
    prefix       text        not null,
    secret_hash  bytea       not null,
    scopes       text[]      not null,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
comment on table api_key is 'A key that a user made for a program. The secret is random, so its SHA-256 is enough; it is shown once.';
comment on column api_key.name is 'erase: row with the account';
comment on column api_key.prefix is 'erase: row with the account';
comment on column api_key.secret_hash is 'erase: row with the account';
comment on column api_key.scopes is 'erase: row with the account';
create index api_key_user_idx on api_key (user_id, created_at desc);

-- +goose Down
drop table api_key;
