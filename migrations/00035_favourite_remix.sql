-- Owner: internal/generation.
-- What a person keeps at hand, and what was made from what.
-- +goose Up
alter table ai_task
    add column favourite_at timestamptz,
    add column remix_of     uuid; -- ai_task; no foreign key: the one that it was made from may go first
comment on column ai_task.remix_of is 'The generation that this one took its request from; an id, which goes with the row.';

create index ai_task_favourite_idx on ai_task (user_id, created_at desc, id desc) where favourite_at is not null and deleted_at is null;
create index ai_task_remix_idx on ai_task (remix_of) where remix_of is not null;

-- +goose Down
alter table ai_task drop column remix_of, drop column favourite_at;
