-- Owner: internal/generation.
-- Three indexes that a change of status alone does not touch, so that it is written on the row's own page (HOT). They take the
-- place of those of 00020 and 00036, whose columns and conditions name the status.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists ai_task_unadmitted_idx;
create index concurrently ai_task_unadmitted_idx on ai_task (provider, user_id, created_at, id) include (model)
    where admitted_at is null and finished_at is null;
drop index concurrently if exists ai_task_slot_idx;
create index concurrently ai_task_slot_idx on ai_task (provider, user_id) where admitted_at is not null and finished_at is null;
drop index concurrently if exists ai_task_timed_idx;
create index concurrently ai_task_timed_idx on ai_task (model, finished_at desc)
    where admitted_at is not null and finished_at is not null and failure_code is null;

-- +goose Down
drop index concurrently if exists ai_task_timed_idx;
drop index concurrently if exists ai_task_slot_idx;
drop index concurrently if exists ai_task_unadmitted_idx;
