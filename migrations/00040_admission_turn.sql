-- Owner: internal/generation.
-- Turns by weight: how far each user has got, in place of when they last had a turn.
-- +goose Up
create table admission_turn (
    provider text   not null,
    user_id  uuid   not null, -- generation_user; a foreign key would lock the row on which changes of the user take turns
    pass     bigint not null,
    primary key (provider, user_id)
);
comment on table admission_turn is 'Where a user is in the line of a provider: the least pass is next, and a turn moves it on by a round divided by the weight of the plan.';
comment on column admission_turn.provider is 'erase: row with the account';

create table admission_clock (
    provider text   not null primary key,
    now      bigint not null, -- the pass of whoever was served last
    entry    bigint not null  -- where the next who comes to wait for the first time begins
);
comment on table admission_clock is 'How far the line of a provider has got.';
comment on column admission_clock.provider is 'erase: nothing of anybody';

alter table generation_user drop column last_admitted_at;
comment on table generation_user is 'What generation knows of a user: a random name for object keys and hints, and the plan.';

-- The model is in it so that a line is counted without reading its tasks.
drop index ai_task_waiting_idx;
create index ai_task_waiting_idx on ai_task (provider, user_id, created_at, id) include (model)
    where status = 'queued' and admitted_at is null;

-- +goose Down
drop index ai_task_waiting_idx;
create index ai_task_waiting_idx on ai_task (provider, user_id, created_at, id) where status = 'queued' and admitted_at is null;
alter table generation_user add column last_admitted_at timestamptz;
comment on table generation_user is 'What generation knows of a user: a random name for object keys and hints, the plan, and when they last got a turn.';
drop table admission_clock, admission_turn;
