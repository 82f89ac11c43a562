-- Owner: queue/durable.
-- How far each schedule has come. What the schedules are is in the program.
-- +goose Up
create table schedule (
    name      text        not null primary key,
    last_tick timestamptz not null,
    last_job  uuid,
    fired_at  timestamptz
);
comment on table schedule is 'The row is locked while its due ticks become jobs, so each does once.';
comment on column schedule.name is 'erase: holds no personal value; never';
comment on column schedule.last_tick is 'Every tick up to here has been staged, skipped or missed.';
comment on column schedule.last_job is 'The job of the latest tick, which may be done by now. Null: none yet.';
comment on column schedule.fired_at is 'When that job was staged.';

-- +goose Down
drop table schedule;
