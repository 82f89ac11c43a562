-- Owner: queue/durable.
-- Most jobs have no key, and each of them was in the index of keys, at each of its moves. The old index stays
-- until no process of the release before runs: its statements name it (00064).
-- +goose Up
create unique index job_key_idx on job (kind, dedupe_key) where state <> 'dead' and not canceling and dedupe_key is not null;

-- +goose Down
drop index job_key_idx;
