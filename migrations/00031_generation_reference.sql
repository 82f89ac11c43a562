-- Owner: internal/generation.
-- What a generation starts from, who served it, and how far its provider says it is.
-- +goose Up
alter table ai_task
    add column reference_upload_id uuid, -- upload; no foreign key: the upload may go first
    add column reference_key       text,
    add column served_model        text,
    add column progress            real check (progress between 0 and 1),
    add column provider_position   integer check (provider_position >= 0);
comment on column ai_task.reference_key is 'erase: row with the task; the object is the upload''s';
comment on column ai_task.served_model is 'erase: row with the task';
comment on column ai_task.progress is 'What the provider last said, 0 to 1. Null: it said nothing.';
comment on column ai_task.provider_position is 'How many are before it at the provider. Null: it said nothing.';
-- Whether an upload is still of use.
create index ai_task_reference_idx on ai_task (reference_upload_id) where reference_upload_id is not null;

alter table provider_attempt add column model text;
comment on column provider_attempt.model is 'erase: row with the task';

create table model_breaker (
    model     text        not null primary key,
    failures  integer     not null default 0,
    opened_at timestamptz,
    probed_at timestamptz
);
comment on table model_breaker is 'How a model has been doing. Opened: it is left alone, but for one probe each while.';
comment on column model_breaker.model is 'erase: a name from the catalogue; never';
comment on column model_breaker.failures is 'Failures in a row, over all workers.';

-- +goose Down
drop table model_breaker;
alter table provider_attempt drop column model;
alter table ai_task
    drop column provider_position,
    drop column progress,
    drop column served_model,
    drop column reference_key,
    drop column reference_upload_id;
