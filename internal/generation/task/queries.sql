-- name: EventInsert :execrows
-- The number among all events of the user comes from a counter and not from a sequence: its row is
-- locked until the commit, so a watcher who sees a number has seen every smaller one.
with counter as (
    update generation_user set event_sequence = number_after(event_sequence) where user_id = @user_id returning event_sequence
)
insert into generation_event (task_id, sequence, status, canceling, image_index, at, user_id, user_sequence)
select @task_id, @sequence, @status, @canceling, sqlc.narg(image_index), @at, @user_id, event_sequence from counter;

-- name: TaskWaiting :many
-- What of a user waits for its turn, newest first.
select id from ai_task
where user_id = @user_id and admitted_at is null and finished_at is null and deleted_at is null
order by created_at desc, id desc limit @most;

-- name: TaskGet :one
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id and t.user_id = @user_id;

-- name: TaskLock :one
-- The one way to begin a change of a task: the holder of the row decides.
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id for update of t;

-- name: TaskSet :one
-- The one statement that changes a status, and what changes with it. Compare-and-set on the sequence, never out of a terminal state.
update ai_task set status = @status, status_sequence = number_after(status_sequence),
    failure_code = sqlc.narg(failure_code), finished_at = sqlc.narg(finished_at), served_model = sqlc.narg(served_model),
    progress = sqlc.narg(progress), provider_position = sqlc.narg(provider_position), cancel_requested = @cancel_requested,
    operator_cancel = @operator_cancel,
    delay_reason = sqlc.narg(delay_reason), delay_since = sqlc.narg(delay_since), delay_next = sqlc.narg(delay_next)
where id = @id and status_sequence = @status_sequence and finished_at is null
returning status_sequence;

-- name: TaskDelayNext :exec
-- It waits for the same as before: that is no change, only the time of the next try is another.
update ai_task set delay_next = @delay_next where id = @id and finished_at is null;

-- name: TombstoneExists :one
select exists (select from generation_tombstone where task_id = @id and user_id = @user_id);

-- name: ImageList :many
select * from ai_image where task_id = any(@task_ids::uuid[]) order by task_id, index;

-- name: ImageAbandon :exec
update ai_image set status = 'failed', failure_code = sqlc.narg(failure_code) where task_id = @task_id and status = 'pending';

-- name: AttemptOpen :many
select id from provider_attempt where task_id = $1 and state in ('intent', 'unknown', 'submitted');

-- name: TaskPeek :one
-- Without a lock: for a look before outside calls, never for a decision.
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id;

-- name: CostRecord :exec
-- Attempts that have ended and of which there is a request. One that was listed as unknown before is known now, and judged anew.
insert into provider_cost (attempt_id, request_id, model, endpoint, ended_at, delivered, images, credits, units_told)
select a.id, a.request_id, coalesce(a.model, t.model), a.endpoint, a.finished_at,
    n.images > 0 or (a.state = 'done' and a.error_code is null), n.images,
    n.images * coalesce((t.prices->>coalesce(a.model, t.model))::bigint, 0), sqlc.narg(units)::text::numeric
from provider_attempt a join ai_task t on t.id = a.task_id
cross join lateral (
    select count(*)::smallint as images from ai_image i where i.task_id = t.id and i.status = 'stored' and i.stored_at >= a.created_at
) n
where a.id = any(@attempt_ids::uuid[]) and a.finished_at is not null and a.request_id is not null
on conflict (request_id) do update set attempt_id = excluded.attempt_id, model = excluded.model, ended_at = excluded.ended_at,
    delivered = excluded.delivered, images = excluded.images, credits = excluded.credits, units_told = excluded.units_told,
    checked_at = null, closed_at = null
where provider_cost.attempt_id is null;
