-- What operators look at and do.

-- name: AdminList :many
-- For a dead job age counts from its death, for others from when it was staged first.
select id, kind, queue, args, dedupe_key, (case when canceling then 'canceling' else state end)::text as state, epoch, attempt, lost, error_code, run_at, lease_until, created_at, died_at
from job
where (cardinality(sqlc.arg(ids)::uuid[]) = 0 or id = any(sqlc.arg(ids)::uuid[]))
  and (sqlc.arg(kind)::text = '' or kind = sqlc.arg(kind))
  and (sqlc.arg(queue)::text = '' or queue = sqlc.arg(queue))
  and (sqlc.arg(state)::text = '' or case when canceling then 'canceling' else state end = sqlc.arg(state))
  and (cardinality(sqlc.arg(about)::uuid[]) = 0 or exists (
      select from jsonb_each_text(args) as arg where arg.value = any(sqlc.arg(about)::uuid[]::text[])))
  and coalesce(died_at, created_at) <= statement_timestamp() - sqlc.arg(older)::float8 * interval '1 second'
  and id > sqlc.arg(beyond)
order by id
limit sqlc.arg(max_rows);

-- name: AdminLock :many
-- Those that no other transaction has locked: an order that holds several jobs waits for none.
select id from job where id = any(sqlc.arg(ids)::uuid[]) order by id for no key update skip locked;

-- name: AdminRetry :many
-- A dead job begins anew with all its attempts; one that waits for its time has it now; a cancel
-- that no worker has carried out is taken back. A job whose place is taken stays as it is: of one
-- kind and key at most one job lives.
with names as ( -- of each kind, all that it ever had
    select unnest(sqlc.arg(names)::text[]) as name, unnest(sqlc.arg(kinds)::text[]) as kind
), chosen as (
    select job.id, job.state, row_number() over (
        partition by coalesce(names.kind, job.kind), coalesce(job.dedupe_key, job.id::text), job.state = 'dead' or job.canceling order by job.id
    ) as nth
    from job left join names on names.name = job.kind
    where job.id = any(sqlc.arg(ids)::uuid[])
      and (job.state = 'dead' or job.state <> 'running' and (job.canceling or job.run_at > clock_timestamp()))
      and not ((job.state = 'dead' or job.canceling) and job.dedupe_key is not null and exists (
          select from job as live
          where live.kind = any(array(select also.name from names as also where also.kind = names.kind) || job.kind)
            and live.dedupe_key = job.dedupe_key and live.state <> 'dead' and not live.canceling))
), locked as (
    select job.id from job join chosen on chosen.id = job.id and chosen.state = job.state
    where chosen.nth = 1
    order by job.id for no key update of job
)
update job set
    attempt    = case when state = 'dead' then 0 else attempt end,
    error_code = case when state = 'dead' then null else error_code end,
    state      = 'staged',
    epoch      = epoch + 1,
    lost       = 0,
    wake       = false,
    canceling  = false,
    run_at     = clock_timestamp(),
    staged_at  = clock_timestamp(),
    died_at    = null
from locked where job.id = locked.id and job.state <> 'running'
returning job.id, job.kind, job.queue, job.epoch;

-- name: AdminCancel :many
-- Due at once, so that a worker comes to it; one that has it sees it with its next heartbeat. Lost
-- leases count anew: they were the handler's, which does not run again. Whether it waits is judged by the very row that is
-- changed.
with locked as (
    select id, clock_timestamp() as at from job
    where id = any(sqlc.arg(ids)::uuid[]) and state <> 'dead' and not canceling
    order by id for no key update
)
update job set
    canceling = true,
    state     = case when job.state <> 'running' and job.run_at > locked.at then 'staged' else job.state end,
    epoch     = job.epoch + (job.state <> 'running' and job.run_at > locked.at)::integer,
    run_at    = least(job.run_at, locked.at),
    staged_at = case when job.state <> 'running' and job.run_at > locked.at then locked.at else job.staged_at end,
    wake      = false,
    lost      = 0
from locked where job.id = locked.id and job.state <> 'dead' and not job.canceling
returning job.id, job.kind, job.queue, job.epoch, job.state;

-- name: AdminBury :many
-- For kinds that the program no longer has: no worker would ever come.
with locked as (
    select id from job where id = any(sqlc.arg(ids)::uuid[]) and state <> 'dead'
    order by id for no key update
)
update job set
    state       = 'dead',
    error_code  = 'canceled',
    died_at     = clock_timestamp(),
    canceling   = false,
    holder      = null,
    lease_until = null,
    wake        = false,
    lost        = 0
from locked where job.id = locked.id and job.state <> 'dead'
returning job.id, job.kind, job.queue, job.epoch;

-- name: AdminRemove :many
delete from job where id = any(sqlc.arg(ids)::uuid[]) and state = 'dead'
returning id, kind, queue, epoch;

-- name: AuditAdd :exec
insert into job_audit (at, operator, action, queue, reason, about, request, jobs, job_ids)
values (clock_timestamp(), sqlc.arg(operator), sqlc.arg(action), sqlc.narg(queue), sqlc.narg(reason), sqlc.narg(about), sqlc.narg(request),
        cardinality(sqlc.arg(job_ids)::uuid[]), sqlc.arg(job_ids)::uuid[]);

-- name: AuditOfRequest :one
select at, operator, action, reason, about from job_audit where request = sqlc.arg(request)::text;

-- name: AuditAbout :many
select at, operator, action, reason, request from job_audit where about = sqlc.arg(about)::uuid order by id;

-- name: AuditOf :many
select at, operator, action, jobs from job_audit where job_ids @> array[sqlc.arg(id)::uuid] order by id;

-- name: PauseAdd :execrows
-- Of a queue that is paused already the end may be another now, and why.
insert into queue_pause as was (queue, operator, paused_at, reason, until)
values (sqlc.arg(queue), sqlc.arg(operator), clock_timestamp(), sqlc.narg(reason),
        clock_timestamp() + sqlc.narg(seconds)::float8 * interval '1 second')
on conflict (queue) do update set operator = excluded.operator, reason = excluded.reason, until = excluded.until
where excluded.reason is not null or excluded.until is not null;

-- name: PauseRemove :execrows
delete from queue_pause where queue = sqlc.arg(queue);

-- name: PauseEnd :many
-- Those whose time is over; the audit has them as resumed by the operator who said until when.
with ended as (
    delete from queue_pause where until <= statement_timestamp() returning queue, operator
), noted as (
    insert into job_audit (at, operator, action, queue, reason)
    select clock_timestamp(), operator, 'resume', queue, 'its time was over' from ended
)
select queue from ended order by queue;

-- name: Pauses :many
select queue, operator, paused_at, reason, until from queue_pause order by queue;

-- name: JobCounts :many
-- Late is how long the one has been due that is overdue most.
select kind, queue, (case when canceling then 'canceling' else state end)::text as state, count(*) as jobs,
       greatest(max(extract(epoch from clock_timestamp() - run_at)), 0)::float8 as late
from job group by 1, 2, 3;

-- name: AuditPurge :one
select job_audit_purge(sqlc.arg(max_rows));
