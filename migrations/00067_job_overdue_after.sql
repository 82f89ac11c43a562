-- Owner: queue/durable.
-- +goose Up
drop index job_waiting_idx;

-- +goose Down
create index job_waiting_idx on job (run_at) where state in ('pushed', 'retrying');
