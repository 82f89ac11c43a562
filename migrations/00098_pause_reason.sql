-- Owner: queue/durable. An operator who pauses a queue says why, and may say until when.
-- +goose Up
alter table queue_pause add column reason text, add column until timestamptz;
comment on column queue_pause.reason is 'erase: why, in words of one of our own operators without personal values; when the queue is resumed';
comment on column queue_pause.until is 'When a scheduler resumes it. Null: an operator does.';

alter table job_audit add column reason text;
comment on column job_audit.reason is 'erase: why, in words of one of our own operators without personal values; with the row';

-- A pause may end by itself, be given another end, and be looked at with what an operator has in hand.
grant update on queue_pause to imagerun_api, imagerun_operator;
grant delete on queue_pause to imagerun_scheduler;
grant insert on job_audit to imagerun_scheduler;
grant select on provider_attempt to imagerun_operator;
grant select (id, user_id) on api_key to imagerun_operator;

-- +goose Down
revoke select (id, user_id) on api_key from imagerun_operator;
revoke select on provider_attempt from imagerun_operator;
revoke insert on job_audit from imagerun_scheduler;
revoke delete on queue_pause from imagerun_scheduler;
revoke update on queue_pause from imagerun_api, imagerun_operator;
alter table job_audit drop column reason;
alter table queue_pause drop column until, drop column reason;
