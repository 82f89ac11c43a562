-- name: ObjectPage :many
-- What was put and what was made of it, in the order of their bytes. Each half walks an index of its own.
select x.key::text as key, x.id, x.need::integer as need, x.lost::boolean as lost from (
    (select u.raw_key as key, u.id, case when u.raw_deleted_at is not null and u.deleted_at is null then 0 else 1 end as need, false as lost
        from upload u where u.raw_key > @after order by u.raw_key limit @most)
    union all
    (select u.key, u.id, case
            when u.deleted_at is not null or u.status = 'inspecting' then 1
            when u.status = 'ready' then 2
            else 0 end, u.lost_at is not null
        from upload u where u.key > @after order by u.key limit @most)
) x order by x.key limit @most;

-- name: ObjectFind :many
select u.raw_key, coalesce(u.key, '')::text as key, u.id,
    case when u.raw_deleted_at is not null and u.deleted_at is null then 0 else 1 end::integer as raw_need,
    case
        when u.deleted_at is not null or u.status = 'inspecting' then 1
        when u.status = 'ready' then 2
        else 0 end::integer as need, (u.lost_at is not null)::boolean as lost
from upload u
where u.raw_key = any(@keys::text[]) or u.key = any(@keys::text[]);

-- name: ObjectMark :exec
update upload set lost_at = sqlc.narg(at) where key = any(@keys::text[]);
