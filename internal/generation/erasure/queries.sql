-- name: TombstoneInsert :execrows
with counter as (
    update generation_user set event_sequence = number_after(event_sequence) where user_id = @user_id returning event_sequence
)
insert into generation_tombstone (task_id, user_id, deleted_at, user_sequence)
select @task_id, @user_id, @at, event_sequence from counter;

-- name: TaskMarkDeleted :exec
update ai_task set deleted_at = @at where id = @id and deleted_at is null;

-- name: TaskLeft :many
-- What is deleted, has ended and is still here. Locked before the jobs of its erasure are.
select id from ai_task where deleted_at is not null and finished_at is not null and id > @after order by id limit @most for no key update skip locked;

-- name: TaskDelete :exec
delete from ai_task where id = @id;

-- name: TombstoneUsers :many
select distinct user_id from generation_tombstone where deleted_at < @before limit @most;

-- name: TombstonePurge :exec
-- Of one user, whose row is locked: a deletion holds it, too.
with gone as (
    delete from generation_tombstone d where d.user_id = @user_id and d.deleted_at < @before returning d.user_sequence
)
update generation_user u set event_floor = greatest(u.event_floor, (select max(user_sequence) from gone)) where u.user_id = @user_id;

-- name: AttemptOwed :many
-- Attempts of generations that have ended which are not over, or of which the provider may have something. Their tasks are
-- locked before the jobs are that see to them.
select a.id, a.task_id, a.created_at, (a.finished_at is null)::boolean as open from provider_attempt a join ai_task t on t.id = a.task_id
where (a.finished_at is null or a.request_id is not null and a.erased_at is null and a.created_at > @since)
    and a.id > @after and t.finished_at is not null
order by a.id limit @most for no key update of t skip locked;

-- name: AttemptUnerased :many
select * from provider_attempt where task_id = $1 and request_id is not null and erased_at is null;

-- name: AttemptsRemember :exec
-- What may turn out to be at the provider is found by this when its own row is gone.
insert into provider_attempt_tombstone (attempt_id, endpoint, forget_at)
select a.id, a.endpoint, a.created_at + sqlc.arg(kept)::float8 * interval '1 second' from provider_attempt a
where a.task_id = @task_id and a.request_id is null and a.created_at + sqlc.arg(kept)::float8 * interval '1 second' > sqlc.arg(now)::timestamptz;

-- name: AttemptTombstoneGet :one
select * from provider_attempt_tombstone where attempt_id = $1;

-- name: AttemptTombstoneDelete :exec
-- What it cost stays, without the request.
with gone as (
    delete from provider_attempt_tombstone o where o.attempt_id = @id returning o.endpoint, o.request_id
)
insert into provider_cost (endpoint, ended_at)
select g.endpoint, date_trunc('hour', sqlc.arg(now)::timestamptz, 'UTC') from gone g where g.request_id is not null;

-- name: AttemptTombstonePurge :execrows
delete from provider_attempt_tombstone where attempt_id in (
    select t.attempt_id from provider_attempt_tombstone t where t.forget_at <= @now limit @most
);

-- name: AttemptErased :exec
update provider_attempt set erased_at = @at where id = @id;

-- name: CostForget :exec
-- What an erased generation cost stays, and nothing that leads to it.
update provider_cost c set attempt_id = null, request_id = null, ended_at = date_trunc('hour', c.ended_at, 'UTC')
from provider_attempt a where a.task_id = @task_id and c.attempt_id = a.id;
