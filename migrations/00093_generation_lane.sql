-- Owner: internal/generation.
-- A generation may wait behind all that its user has waiting. The release before admits by age alone, and so makes no such.
-- +goose Up
alter table ai_task add column background boolean not null default false;
comment on column ai_task.background is 'erase: row with the task. It gets a turn of its user''s only when nothing else of theirs waits.';

-- +goose Down
alter table ai_task drop column background;
