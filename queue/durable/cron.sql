-- Ticks are of the database's clock.

-- name: ScheduleAdd :exec
-- A schedule that is new has no past.
insert into schedule (name, last_tick)
select unnest(sqlc.arg(names)::text[]), date_trunc('second', clock_timestamp())
on conflict (name) do nothing;

-- name: ScheduleList :many
select name, last_tick, last_job, fired_at, clock_timestamp()::timestamptz as now from schedule order by name;

-- name: ScheduleLock :one
-- Whoever holds the lock is about to do all that is due.
select last_tick, clock_timestamp()::timestamptz as now from schedule
where name = sqlc.arg(name) for no key update skip locked;

-- name: ScheduleAdvance :exec
update schedule set
    last_tick = sqlc.arg(last_tick),
    last_job  = coalesce(sqlc.narg(last_job), last_job),
    fired_at  = case when sqlc.narg(last_job)::uuid is null then fired_at else clock_timestamp() end
where name = sqlc.arg(name);

-- name: ScheduleJobs :many
-- What has become of the last jobs. One that is done has no row.
select id, (case when canceling then 'canceling' else state end)::text as state, error_code from job where id = any(sqlc.arg(ids)::uuid[]);
