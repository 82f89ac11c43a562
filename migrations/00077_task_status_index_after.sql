-- Owner: internal/generation.
-- While one of these is there, each change of a status writes an entry into every index of the table.
-- +goose Up
drop index ai_task_waiting_idx;
drop index ai_task_admitted_idx;
drop index ai_task_measured_idx;

-- +goose Down
create index ai_task_measured_idx on ai_task (model, finished_at desc) where admitted_at is not null and status in ('succeeded', 'partial');
create index ai_task_admitted_idx on ai_task (provider, user_id, status) where admitted_at is not null and finished_at is null;
create index ai_task_waiting_idx on ai_task (provider, user_id, created_at, id) include (model) where status = 'queued' and admitted_at is null;
