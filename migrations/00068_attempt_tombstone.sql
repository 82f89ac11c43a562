-- Owner: internal/generation.
-- Which request an attempt became may come to be known when its generation is erased. Without its id, nobody
-- could tell then that the provider's copy is one to delete.
-- +goose Up
create table provider_attempt_tombstone (
    attempt_id uuid        not null primary key,
    endpoint   text        not null,
    request_id text,
    forget_at  timestamptz not null
);
comment on table provider_attempt_tombstone is 'An attempt of an erased generation, whose request was not known: until the provider has nothing of it any more.';
comment on column provider_attempt_tombstone.endpoint is 'erase: the name of a model at the provider; with the row';
comment on column provider_attempt_tombstone.request_id is 'erase: row when the payload at the provider is deleted, or at forget_at';

-- +goose Down
drop table provider_attempt_tombstone;
