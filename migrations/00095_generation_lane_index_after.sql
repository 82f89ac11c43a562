-- Owner: internal/generation.
-- The release before finds by it what a user has waiting.
-- +goose Up
drop index ai_task_unadmitted_idx;

-- +goose Down
create index ai_task_unadmitted_idx on ai_task (provider, user_id, created_at, id) include (model)
    where admitted_at is null and finished_at is null;
