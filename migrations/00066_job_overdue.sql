-- Owner: queue/durable.
-- Rows that wait in Redis are looked at queue by queue: one that is paused must not hide the others.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists job_overdue_idx;
create index concurrently job_overdue_idx on job (queue, run_at) where state in ('pushed', 'retrying');

-- +goose Down
drop index concurrently if exists job_overdue_idx;
