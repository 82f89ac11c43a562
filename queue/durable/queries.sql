-- Times are of the database, so that the clock of a worker never matters: clock_timestamp where one is written,
-- statement_timestamp where an index is searched by it, and what is left of a wait (due_in) where one is answered.
--
-- Statements about many rows look each up by its id, in a lateral query: left to join, a planner that knows
-- nothing of the table yet, or too much of an empty one, walks all of it for each. They skip what is locked,
-- so they wait for no other transaction and need no order.

-- name: JobInsert :exec
-- Without a key, so nothing can be in the way, and the caller waits for no answer.
insert into job (id, kind, queue, args, run_at, created_at, staged_at)
values (sqlc.arg(id), sqlc.arg(kind), sqlc.arg(queue), sqlc.arg(args),
        coalesce(sqlc.narg(run_at)::timestamptz, clock_timestamp() + sqlc.arg(delay)::float8 * interval '1 second'),
        clock_timestamp(), clock_timestamp());

-- name: JobStage :one
-- A live job of the same key is locked and returned instead: what it has done so far it did
-- before this transaction commits.
insert into job (id, kind, queue, args, dedupe_key, run_at, created_at, staged_at)
values (sqlc.arg(id), sqlc.arg(kind), sqlc.arg(queue), sqlc.arg(args), sqlc.arg(dedupe_key)::text,
        coalesce(sqlc.narg(run_at)::timestamptz, clock_timestamp() + sqlc.arg(delay)::float8 * interval '1 second'),
        clock_timestamp(), clock_timestamp())
on conflict (kind, dedupe_key) where state <> 'dead' and not canceling and dedupe_key is not null
do update set dedupe_key = excluded.dedupe_key
returning id;

-- name: JobStageRenamed :one
-- JobStage of a kind that had other names before: a live job of one of those and the same key is returned, too.
with before as (
    select job.id from job
    where job.kind = any(sqlc.arg(aliases)::text[]) and job.dedupe_key = sqlc.arg(dedupe_key)::text and job.state <> 'dead' and not job.canceling
    limit 1 for no key update
), staged as (
    insert into job (id, kind, queue, args, dedupe_key, run_at, created_at, staged_at)
    select sqlc.arg(id), sqlc.arg(kind), sqlc.arg(queue), sqlc.arg(args), sqlc.arg(dedupe_key)::text,
           coalesce(sqlc.narg(run_at)::timestamptz, clock_timestamp() + sqlc.arg(delay)::float8 * interval '1 second'),
           clock_timestamp(), clock_timestamp()
    where not exists (select from before)
    on conflict (kind, dedupe_key) where state <> 'dead' and not canceling and dedupe_key is not null
    do update set dedupe_key = excluded.dedupe_key
    returning id
)
select before.id from before union all select staged.id from staged;

-- name: JobWake :many
-- Touches the row whatever its state: a claim that comes meanwhile waits for this transaction
-- and so sees what it wrote.
update job set
    wake      = state = 'running',
    epoch     = epoch + (state <> 'running' and run_at > clock_timestamp())::integer,
    staged_at = case when state <> 'running' and run_at > clock_timestamp() then clock_timestamp() else staged_at end,
    state     = case when state <> 'running' and run_at > clock_timestamp() then 'staged' else state end,
    run_at    = least(run_at, clock_timestamp())
where kind = any(sqlc.arg(kinds)::text[]) and dedupe_key = sqlc.arg(dedupe_key) and state <> 'dead' and not canceling
returning id, kind, queue, epoch, state, extract(epoch from run_at - clock_timestamp())::float8 as due_in;

-- name: JobUnattended :many
-- Keys under which no job lives, and none died a short while ago. One that is being canceled lives no more.
select k.key::text as key from unnest(sqlc.arg(keys)::text[]) as k (key)
where not exists (
        select from job
        where job.kind = any(sqlc.arg(kinds)::text[]) and job.dedupe_key = k.key and job.dedupe_key is not null
          and job.state <> 'dead' and not job.canceling)
  and not exists (
        select from job
        where job.kind = any(sqlc.arg(kinds)::text[]) and job.dedupe_key = k.key and job.state = 'dead'
          and job.died_at > statement_timestamp() - sqlc.arg(rest)::float8 * interval '1 second');

-- name: JobClaim :one
-- No skip locked: no row has to mean that the job is not to be had. A kind without a handler and a paused
-- queue are not claimed, nor, unless suspects are asked for, a suspect. Losing this write in a crash costs a repeat, which the holder keeps harmless.
update job set
    state       = 'running',
    holder      = sqlc.arg(holder)::uuid,
    lease_until = clock_timestamp() + sqlc.arg(lease)::float8 * interval '1 second',
    begun       = false,
    wake        = false
from (select set_config('synchronous_commit', 'off', true)) as fast
where id = sqlc.arg(id) and epoch = sqlc.arg(epoch) and state in ('staged', 'pushed', 'retrying')
  and run_at <= clock_timestamp() + interval '2 seconds'
  and kind = any(sqlc.arg(kinds)::text[]) and queue <> all(array(select queue_pause.queue from queue_pause))
  and (lost = 0 or not suspect or sqlc.arg(suspects)::boolean)
returning sqlc.arg(holder)::uuid as holder, kind, queue, args, attempt, lost, canceling,
          extract(epoch from clock_timestamp() - run_at)::float8 as late;

-- name: JobClaimMany :many
-- JobClaim for several at once, without suspects. A row that another transaction has locked must not keep the others
-- waiting: what is not in the answer is asked for singly.
with wanted as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(epochs)::integer[]) as epoch,
           unnest(sqlc.arg(holders)::uuid[]) as holder
), free as (
    select mine.id, wanted.holder from wanted, lateral (
        select job.id from job
        where job.id = wanted.id and job.epoch = wanted.epoch and (job.lost = 0 or not job.suspect)
          and job.state in ('staged', 'pushed', 'retrying') and job.run_at <= clock_timestamp() + interval '2 seconds'
          and job.kind = any(sqlc.arg(kinds)::text[]) and job.queue <> all(array(select queue_pause.queue from queue_pause))
        for no key update skip locked
    ) as mine
)
update job set
    state       = 'running',
    holder      = free.holder,
    lease_until = clock_timestamp() + sqlc.arg(lease)::float8 * interval '1 second',
    begun       = false,
    wake        = false
from free, (select set_config('synchronous_commit', 'off', true)) as fast
where job.id = free.id
returning free.holder::uuid as holder, job.kind, job.queue, job.args, job.attempt, job.lost, job.canceling,
          extract(epoch from clock_timestamp() - job.run_at)::float8 as late;

-- name: JobGet :one
select kind, queue, state, epoch, holder, (lost > 0 and suspect)::boolean as suspect, canceling, extract(epoch from run_at - clock_timestamp())::float8 as due_in,
       exists (select from queue_pause where queue_pause.queue = job.queue) as paused
from job where id = sqlc.arg(id);

-- name: JobBegin :execrows
-- The handler of a suspect is about to be called: from here on a lease that it loses counts against it.
update job set
    begun       = true,
    lease_until = clock_timestamp() + sqlc.arg(lease)::float8 * interval '1 second'
where id = sqlc.arg(id) and holder = sqlc.arg(holder)::uuid;

-- name: JobUnclaim :many
-- As if they had not been claimed. The task of each is still the one that it waits for, unless Redis lost it
-- meanwhile. Waits for what is locked: it may be the claim.
with mine as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(holders)::uuid[]) as holder, unnest(sqlc.arg(epochs)::integer[]) as epoch
), held as (
    select of.id, mine.holder, mine.epoch from mine, lateral (
        select job.id from job where job.id = mine.id and job.holder = mine.holder and not job.canceling for no key update
    ) as of
)
update job set
    state       = case when job.epoch = held.epoch then 'pushed' else 'staged' end,
    staged_at   = clock_timestamp(),
    holder      = null,
    lease_until = null,
    wake        = false
from held
where job.id = held.id
returning held.holder::uuid as holder;

-- name: JobExtendLeases :many
-- Extends what is ours and not locked, and returns which holders still hold, and which of those
-- an operator wants ended. A row that a
-- handler has locked in a transaction of its own is skipped, and the sweeper skips it too.
with mine as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(holders)::uuid[]) as holder
), free as (
    select held.id from mine, lateral (
        select job.id from job where job.id = mine.id and job.holder = mine.holder for no key update skip locked
    ) as held
), beat as (
    update job set lease_until = clock_timestamp() + sqlc.arg(lease)::float8 * interval '1 second'
    from free, (select set_config('synchronous_commit', 'off', true)) as fast
    where job.id = free.id
    returning job.id
)
select mine.holder::uuid as holder, held.canceling
from mine, lateral (select job.canceling from job where job.id = mine.id and job.holder = mine.holder limit 1) as held;

-- name: JobHold :execrows
select id from job where id = sqlc.arg(id) and holder = sqlc.arg(holder) and not canceling for no key update;

-- name: JobComplete :exec
-- In the handler's transaction. Fails with JB001 where the holder has the job no longer.
select job_complete(sqlc.arg(id), sqlc.arg(holder));

-- name: JobFinish :execrows
-- Once it is canceled, a job has no outcome but that: here and below no row is found.
delete from job where id = sqlc.arg(id) and holder = sqlc.arg(holder) and not canceling;

-- name: JobFinishMany :many
-- JobFinish for several handlers that returned nil and left the end of their jobs to us. Losing
-- this in a crash costs a repeat, which such a handler has agreed to. Leaves out what another transaction has locked.
with mine as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(holders)::uuid[]) as holder
), free as (
    select held.id from mine, lateral (
        select job.id from job where job.id = mine.id and job.holder = mine.holder and not job.canceling for update skip locked
    ) as held
)
delete from job using free, (select set_config('synchronous_commit', 'off', true)) as fast
where job.id = free.id
returning job.holder;

-- name: JobSnooze :one
-- A job that was woken while it ran, asked for now, or whose task Redis lost meanwhile (its epoch
-- is another by now) is staged anew; else it waits in Redis.
update job set
    state       = case when wake or sqlc.arg(delay)::float8 = 0 or epoch <> sqlc.arg(epoch)::integer then 'staged' else 'retrying' end,
    epoch       = epoch + (wake or sqlc.arg(delay)::float8 = 0)::integer,
    run_at      = clock_timestamp() + case when wake then 0 else sqlc.arg(delay)::float8 end * interval '1 second',
    staged_at   = clock_timestamp(),
    holder      = null,
    lease_until = null,
    wake        = false,
    lost        = 0
where id = sqlc.arg(id) and holder = sqlc.arg(holder) and not canceling
returning state, epoch, extract(epoch from run_at - clock_timestamp())::float8 as due_in;

-- name: JobFail :one
-- One attempt is spent. afresh is for a handler that ignores the end of its context: the task
-- in Redis stays with it, so the next attempt needs another. One that Redis lost has one already.
-- A job that was woken while it ran has its next attempt now, as if the wake had come after the
-- failure. A canceled or poisoned one comes here when its Dead hook failed, and stays so.
update job set
    state       = case when wake or sqlc.arg(afresh)::boolean or epoch <> sqlc.arg(epoch)::integer then 'staged' else 'retrying' end,
    epoch       = epoch + (wake or sqlc.arg(afresh)::boolean)::integer,
    run_at      = clock_timestamp() + case when wake then 0 else sqlc.arg(delay)::float8 end * interval '1 second',
    staged_at   = clock_timestamp(),
    attempt     = attempt + sqlc.arg(spent)::integer,
    error_code  = sqlc.arg(error_code)::text,
    holder      = null,
    lease_until = null,
    wake        = false,
    lost        = case when sqlc.arg(poisoned)::boolean then lost else 0 end
where id = sqlc.arg(id) and holder = sqlc.arg(holder) and canceling = sqlc.arg(canceled)::boolean
returning state, epoch, extract(epoch from run_at - clock_timestamp())::float8 as due_in;

-- name: JobHandBack :one
update job set
    state       = 'staged',
    epoch       = epoch + 1,
    run_at      = clock_timestamp(),
    staged_at   = clock_timestamp(),
    holder      = null,
    lease_until = null,
    lost        = 0
where id = sqlc.arg(id) and holder = sqlc.arg(holder) and not canceling
returning epoch;

-- name: JobBury :execrows
update job set
    state       = 'dead',
    attempt     = attempt + sqlc.arg(spent)::integer,
    error_code  = sqlc.arg(error_code)::text,
    died_at     = clock_timestamp(),
    canceling   = false,
    holder      = null,
    lease_until = null,
    wake        = false,
    lost        = 0
where id = sqlc.arg(id) and holder = sqlc.arg(holder);

-- name: JobRelay :many
select id, kind, queue, epoch, extract(epoch from run_at - clock_timestamp())::float8 as due_in from job
where state = 'staged'
  and run_at <= statement_timestamp() + sqlc.arg(ahead)::float8 * interval '1 second'
  and staged_at <= statement_timestamp() - sqlc.arg(older)::float8 * interval '1 second'
  and queue <> all(sqlc.arg(refused)::text[])
order by run_at
limit sqlc.arg(max_rows)
for no key update skip locked;

-- name: JobMarkPushed :exec
with sent as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(epochs)::integer[]) as epoch
), free as (
    select waits.id from sent, lateral (
        select job.id from job where job.id = sent.id and job.epoch = sent.epoch and job.state = 'staged' for no key update skip locked
    ) as waits
)
update job set state = 'pushed'
from free, (select set_config('synchronous_commit', 'off', true)) as fast
where job.id = free.id;

-- name: JobExpired :many
-- Whose lease ran out, by whom it was held (the first half of a holder is its worker's), and whether a transaction
-- has it locked, other sweepers aside. To lock is to write: this fails where nothing can be written, whatever it finds.
with expired as (
    select job.id, job.holder from job
    where job.state = 'running' and job.lease_until < statement_timestamp()
    order by job.lease_until limit sqlc.arg(max_rows)
)
select expired.id, substring(uuid_send(expired.holder) for 8)::bytea as worker, (free.id is null)::boolean as locked
from expired left join lateral (
    select job.id from job where job.id = expired.id for share skip locked
) as free on true;

-- name: JobSweep :many
-- The lease ran out: another worker shall have it. What loses one after the other comes back later and later,
-- each by its own lot: the jobs that a worker took down with it shall not meet again. When many workers went at
-- once it was none of their jobs' doing, and those that had lost no lease before are no suspects. The lease of a
-- suspect counts only if its handler was called.
with lost as (
    select unnest(sqlc.arg(ids)::uuid[]) as id
), expired as (
    select mine.id from lost, lateral (
        select job.id from job
        where job.id = lost.id and job.state = 'running' and job.lease_until < statement_timestamp()
        for no key update skip locked
    ) as mine
)
update job set
    state       = 'staged',
    lost        = lost + (lost = 0 or not suspect or begun)::integer,
    suspect     = lost > 0 or not sqlc.arg(outage)::boolean,
    epoch       = epoch + 1,
    run_at      = clock_timestamp() + lost * (1 + 2 * random()) * interval '1 second',
    staged_at   = clock_timestamp(),
    holder      = null,
    lease_until = null,
    wake        = false
from expired where job.id = expired.id
returning job.id, job.kind, job.queue, job.epoch, extract(epoch from run_at - clock_timestamp())::float8 as due_in;

-- name: JobOverdue :many
-- Of each queue those that come after one that was seen before.
select late.id, late.kind, late.queue, late.epoch, late.run_at
from (
    select unnest(sqlc.arg(queues)::text[]) as queue, unnest(sqlc.arg(run_ats)::timestamptz[]) as run_at, unnest(sqlc.arg(ids)::uuid[]) as id
) as seen, lateral (
    select job.id, job.kind, job.queue, job.epoch, job.run_at from job
    where job.queue = seen.queue and job.state in ('pushed', 'retrying')
      and job.run_at < statement_timestamp() - sqlc.arg(overdue)::float8 * interval '1 second'
      and (job.run_at, job.id) > (seen.run_at, seen.id)
    order by job.run_at, job.id limit sqlc.arg(max_rows)
) as late;

-- name: JobStates :many
select id, epoch, state from job where id = any(sqlc.arg(ids)::uuid[]);

-- name: JobRenew :many
-- The task of this push is gone, or no worker runs it: push again under a new name.
with gone as (
    select unnest(sqlc.arg(ids)::uuid[]) as id, unnest(sqlc.arg(epochs)::integer[]) as epoch
), free as (
    select waits.id from gone, lateral (
        select job.id from job
        where job.id = gone.id and job.epoch = gone.epoch and job.state in ('staged', 'pushed', 'retrying')
        for no key update skip locked
    ) as waits
)
update job set
    state     = 'staged',
    epoch     = epoch + 1,
    run_at    = greatest(run_at, clock_timestamp()),
    staged_at = clock_timestamp()
from free where job.id = free.id
returning job.id, job.kind, job.queue, job.epoch, extract(epoch from run_at - clock_timestamp())::float8 as due_in;

-- name: DatabaseTime :one
select clock_timestamp()::timestamptz as now;

-- name: JobRebuildWaiting :many
-- Redis lost what it held of a queue: every job that waited in it then gets a new name, and the relay pushes it.
with waiting as (
    select job.id from job
    where job.queue = sqlc.arg(queue) and job.state in ('pushed', 'retrying') and job.staged_at < sqlc.arg(lost)
      and (job.run_at, job.id) > (sqlc.arg(after_run_at)::timestamptz, sqlc.arg(after_id)::uuid)
    order by job.run_at, job.id limit sqlc.arg(max_rows) for no key update skip locked
)
update job set
    state     = 'staged',
    epoch     = epoch + 1,
    staged_at = clock_timestamp()
from waiting where job.id = waiting.id
returning job.id, job.run_at;

-- name: JobRebuildRunning :exec
-- The holder keeps the job; only what follows from its outcome goes by the new name.
with running as (
    select id from job
    where state = 'running' and job.queue = sqlc.arg(queue)
    order by id for no key update skip locked
)
update job set epoch = epoch + 1
from running where job.id = running.id;
