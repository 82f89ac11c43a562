-- Owner: queue/durable.
-- +goose Up
drop index job_dedupe_idx;

-- +goose Down
create unique index job_dedupe_idx on job (kind, dedupe_key) where state <> 'dead' and not canceling;
