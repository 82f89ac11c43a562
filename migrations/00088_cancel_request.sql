-- Owner: internal/generation.
-- What its provider may have begun is asked to stop, and ends when the provider has. The release before knows nothing
-- of it: it takes what the provider finishes, as if nobody had asked.
-- +goose Up
alter table ai_task add column cancel_requested boolean not null default false;
comment on column ai_task.cancel_requested is 'Its user canceled or deleted it when its provider may have begun. It stays true when the task has ended.';
alter table generation_event add column canceling boolean not null default false;
comment on column generation_event.canceling is 'The task had been asked to stop, and had not ended.';

-- +goose Down
alter table generation_event drop column canceling;
alter table ai_task drop column cancel_requested;
