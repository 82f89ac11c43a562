-- Owner: queue/durable. An operator who pauses a queue says why, and may say until when.
-- +goose Up
alter table queue_pause add column reason text, add column until timestamptz;
comment on column queue_pause.reason is 'erase: why, in words of one of our own operators without personal values; when the queue is resumed';
comment on column queue_pause.until is 'When a scheduler resumes it. Null: an operator does.';

alter table job_audit add column reason text;
comment on column job_audit.reason is 'erase: why, in words of one of our own operators without personal values; with the row';

-- +goose Down
alter table job_audit drop column reason;
alter table queue_pause drop column until, drop column reason;
