-- Owner: internal/generation.
-- +goose Up
-- What of a user is under way, however long their history is.
create index ai_task_live_idx on ai_task (user_id, created_at desc, id desc) where finished_at is null;
-- Submits whose answer was lost: a handful.
create index provider_attempt_lost_idx on provider_attempt (endpoint) where request_id is null and state in ('intent', 'unknown');

-- +goose Down
drop index provider_attempt_lost_idx;
drop index ai_task_live_idx;
