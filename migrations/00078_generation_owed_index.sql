-- Owner: internal/generation.
-- What generations that have ended are still owed: a handful, of a history that may be long.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists ai_task_deleted_idx;
create index concurrently ai_task_deleted_idx on ai_task (id) where deleted_at is not null;
drop index concurrently if exists provider_attempt_owed_idx;
create index concurrently provider_attempt_owed_idx on provider_attempt (id)
    where finished_at is null or request_id is not null and erased_at is null;

-- +goose Down
drop index concurrently if exists provider_attempt_owed_idx;
drop index concurrently if exists ai_task_deleted_idx;
