-- Owner: internal/generation.
-- What a generation waits for, and why an image of it is missing. The release before says neither.
-- +goose Up
alter table ai_task add column delay_reason text, add column delay_since timestamptz, add column delay_next timestamptz;
comment on column ai_task.delay_reason is 'erase: a code from our closed list; row with the task';
comment on column ai_task.delay_since is 'When it began to wait for that.';
comment on column ai_task.delay_next is 'When it is tried again. Null: it is not known.';

alter table ai_image add column failure_code text;
comment on column ai_image.failure_code is 'erase: a code from our closed list; row with the task';

-- +goose Down
alter table ai_image drop column failure_code;
alter table ai_task drop column delay_next, drop column delay_since, drop column delay_reason;
