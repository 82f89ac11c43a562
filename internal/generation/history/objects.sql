-- name: ObjectPage :many
-- The keys of images in the order of their bytes. Each half walks an index of its own.
select x.key::text as key, x.id, x.need::integer as need, x.lost::boolean as lost from (
    (select i.key, i.id, case
            when i.status = 'stored' and t.deleted_at is null then 2
            when i.status = 'stored' or t.finished_at is null or t.deleted_at is not null then 1
            else 0 end as need, i.lost_at is not null as lost
        from ai_image i join ai_task t on t.id = i.task_id where i.key > @after order by i.key limit @most)
    union all
    (select i.thumbnail_key, i.id, case
            when i.status = 'stored' and t.deleted_at is null then 2
            when i.status = 'stored' or t.finished_at is null or t.deleted_at is not null then 1
            else 0 end, i.thumbnail_lost_at is not null
        from ai_image i join ai_task t on t.id = i.task_id where i.thumbnail_key > @after order by i.thumbnail_key limit @most)
) x order by x.key limit @most;

-- name: ObjectFind :many
select i.key, i.thumbnail_key, i.id, case
        when i.status = 'stored' and t.deleted_at is null then 2
        when i.status = 'stored' or t.finished_at is null or t.deleted_at is not null then 1
        else 0 end::integer as need, (i.lost_at is not null)::boolean as lost, (i.thumbnail_lost_at is not null)::boolean as thumbnail_lost
from ai_image i join ai_task t on t.id = i.task_id
where i.key = any(@keys::text[]) or i.thumbnail_key = any(@keys::text[]);

-- name: ObjectTasks :many
-- In one order for all, because their rows are locked in it.
select distinct task_id from ai_image where key = any(@keys::text[]) or thumbnail_key = any(@keys::text[]) order by task_id;

-- name: ObjectMark :many
-- Marks those of a task that are not marked so, and returns which images that changed.
update ai_image set
    lost_at = case when key = any(@keys::text[]) then sqlc.narg(at)::timestamptz else lost_at end,
    thumbnail_lost_at = case when thumbnail_key = any(@keys::text[]) then sqlc.narg(at)::timestamptz else thumbnail_lost_at end
where task_id = @task_id and (
    key = any(@keys::text[]) and (lost_at is null) = (sqlc.narg(at)::timestamptz is not null)
    or thumbnail_key = any(@keys::text[]) and (thumbnail_lost_at is null) = (sqlc.narg(at)::timestamptz is not null))
returning index;

-- name: ObjectTouch :one
-- What a person sees of a task has changed, and its status has not.
update ai_task set status_sequence = number_after(status_sequence) where id = @id returning status_sequence;
