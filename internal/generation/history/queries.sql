-- name: UserEventState :one
select event_sequence, event_floor from generation_user where user_id = $1;

-- name: UserEventList :many
-- Everything that happened to a user, in order; of what is deleted, that alone.
select o.* from (
    select e.user_sequence, e.task_id, e.sequence, e.status, e.canceling, e.image_index, e.at, false as deleted from generation_event e
    where e.user_id = @user_id and e.user_sequence > @after
        and not exists (select from generation_tombstone d where d.task_id = e.task_id)
    union all
    select d.user_sequence, d.task_id, 0, '', false, null, d.deleted_at, true from generation_tombstone d
    where d.user_id = @user_id and d.user_sequence > @after
) o order by o.user_sequence limit @most;

-- name: TaskLive :many
-- What of a user, with all of these labels, has not ended, newest first, and the number of the last event as of the same instant.
select sqlc.embed(t), u.event_sequence from ai_task t join generation_user u on u.user_id = t.user_id
where t.user_id = @user_id and t.finished_at is null and t.deleted_at is null and t.metadata @> @labels::jsonb
order by t.created_at desc, t.id desc limit @most;

-- name: TaskUsage :one
-- By the index of what is under way.
select count(*) filter (where admitted_at is not null)::integer as slots, count(*) filter (where admitted_at is null)::integer as waiting
from ai_task where user_id = $1 and finished_at is null;

-- name: TaskMany :many
select * from ai_task where id = any(@ids::uuid[]) and user_id = @user_id and deleted_at is null;

-- name: TaskFavourite :execrows
update ai_task set favourite_at = case when @favourite::boolean then coalesce(favourite_at, sqlc.arg(at)::timestamptz) end
where id = @id and user_id = @user_id and deleted_at is null;

-- name: EventList :many
select sequence, status, canceling, image_index, at from generation_event
where task_id = @task_id and sequence > @after order by sequence;
