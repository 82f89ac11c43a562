-- name: SweepBegin :one
-- Begins the sweep of a job, or goes on with it.
insert into object_sweep (id, started_at, report) values (@id, @started_at, @report)
on conflict (id) do update set id = excluded.id
returning coalesce(cursor, '')::text as cursor, report;

-- name: SweepReached :exec
update object_sweep set cursor = @cursor::text, report = @report where id = @id;

-- name: SweepFinish :exec
-- A sweep by hand has no row before it ends.
insert into object_sweep (id, started_at, finished_at, report) values (@id, @started_at, @finished_at, @report)
on conflict (id) do update set cursor = null, finished_at = excluded.finished_at, report = excluded.report;

-- name: SweepForget :execrows
delete from object_sweep where id in (select s.id from object_sweep s where s.started_at < @before order by s.started_at limit @most);

-- name: SweepLast :one
select report from object_sweep where finished_at is not null order by finished_at desc limit 1;
