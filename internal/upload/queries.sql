-- name: UploadTally :one
-- What a user has. Open is what no generation uses: all of it is storage that a user could fill for nothing. To be
-- submitted is no use, since it is canceled for nothing, too: a provider must have begun with it, and not have failed or
-- been called off since. That one used it which is gone is no reason for more. Bytes are those of all files that may be
-- stored: what was deleted or refused may be put again until its link has ended for sure.
select
    count(*) filter (where (u.status in ('inspecting', 'ready') or (u.status = 'pending' and u.expires_at > @now))
        and not exists (
            select from ai_task t join provider_attempt a on a.task_id = t.id
            where t.reference_upload_id = u.id and a.request_id is not null
                and (a.finished_at is null or (a.state = 'done' and a.error_code is null)))) as open,
    (coalesce(sum(case
        when u.status = 'ready' then u.bytes
        when u.status <> 'rejected' or u.expires_at > sqlc.arg(put_before)::timestamptz then u.promised_bytes
    end), 0) + (
        select coalesce(sum(d.promised_bytes), 0) from upload d
        where d.user_id = @user_id and d.deleted_at is not null and d.raw_deleted_at is null and d.expires_at > sqlc.arg(put_before)::timestamptz
    ))::bigint as bytes
from upload u
where u.user_id = @user_id and u.deleted_at is null;

-- name: UploadInsert :exec
insert into upload (id, user_id, promised_type, promised_bytes, promised_sha256, raw_key, created_at, expires_at)
values (@id, @user_id, @promised_type, @promised_bytes, @promised_sha256, @raw_key, @created_at, @expires_at);

-- name: UploadGet :one
-- Needed is what a generation may start from yet, or did.
select sqlc.embed(u), exists (
    select from ai_task t where t.reference_upload_id = u.id and (t.finished_at is null or exists (
        select from provider_attempt a where a.task_id = t.id and a.request_id is not null and a.state = 'done' and a.error_code is null))) as needed
from upload u where u.id = @id and u.user_id = @user_id and u.deleted_at is null;

-- name: UploadList :many
-- Newest first, from a place on.
select sqlc.embed(u), exists (
    select from ai_task t where t.reference_upload_id = u.id and (t.finished_at is null or exists (
        select from provider_attempt a where a.task_id = t.id and a.request_id is not null and a.state = 'done' and a.error_code is null))) as needed
from upload u where u.user_id = @user_id and u.deleted_at is null and (u.created_at, u.id) < (sqlc.arg(before)::timestamptz, sqlc.arg(before_id)::uuid)
order by u.created_at desc, u.id desc limit @most;

-- name: UploadLockOwned :one
select * from upload where id = @id and user_id = @user_id and deleted_at is null for update;

-- name: UploadIsOwned :one
-- Deleted ones too, as long as the row is there.
select exists (select from upload where id = @id and user_id = @user_id);

-- name: UploadFind :one
select * from upload where id = @id;

-- name: UploadLock :one
select * from upload where id = @id for update;

-- name: UploadInspecting :exec
update upload set status = 'inspecting' where id = @id and status = 'pending';

-- name: UploadMeasured :exec
-- The key is here before its object is.
update upload set key = @key, content_type = @content_type, width = @width, height = @height, bytes = @bytes, sha256 = @sha256,
    source_type = @source_type
where id = @id and status = 'inspecting';

-- name: UploadReady :exec
update upload set status = 'ready', ended_at = @at where id = @id and status = 'inspecting';

-- name: UploadRejected :exec
update upload set status = 'rejected', reason = @reason, ended_at = @at where id = @id and status = 'inspecting';

-- name: UploadUsed :exec
update upload set last_used_at = @at where id = @id;

-- name: UploadMarkDeleted :exec
update upload set deleted_at = @at where id = @id and deleted_at is null;

-- name: UploadMarkDeletedOfUser :many
update upload set deleted_at = @at where user_id = @user_id and deleted_at is null returning id;

-- name: UploadDelete :exec
delete from upload where id = @id and deleted_at is not null;

-- name: UploadMarkUnfinished :many
-- What was promised and never completed.
update upload set deleted_at = @at where id in (
    select u.id from upload u
    where u.deleted_at is null and u.raw_deleted_at is null and u.status = 'pending' and u.expires_at < @put_before
    order by u.expires_at limit @most
    for update of u skip locked)
returning id;

-- name: UploadMarkUnneeded :many
-- What was refused, and what no generation may start from yet, or did, by when it was last needed; from a place on, since what
-- a generation does use stays and is not looked at twice. One that is being referred to at
-- this moment is locked, and will have been used just now.
with unneeded as (
    select u.id, greatest(u.ended_at, u.last_used_at)::timestamptz as needed_at from upload u
    where u.deleted_at is null and u.ended_at is not null and greatest(u.ended_at, u.last_used_at) < sqlc.arg(unused_before)::timestamptz
        and (greatest(u.ended_at, u.last_used_at), u.id) > (sqlc.arg(needed_after)::timestamptz, sqlc.arg(after)::uuid)
        and (u.status = 'rejected' or not exists (
            select from ai_task t where t.reference_upload_id = u.id and (t.finished_at is null or exists (
                select from provider_attempt a where a.task_id = t.id and a.request_id is not null and a.state = 'done' and a.error_code is null))))
    order by greatest(u.ended_at, u.last_used_at), u.id limit @most
    for update of u skip locked
)
update upload u set deleted_at = @at from unneeded n where u.id = n.id returning u.id, n.needed_at;

-- name: UploadStuck :many
-- Still inspecting when the link has ended, which takes longer than an inspection that a worker has. Locked before their jobs are.
select id from upload
where status = 'inspecting' and deleted_at is null and raw_deleted_at is null and expires_at < @now and id > @after
order by id limit @most
for no key update skip locked;

-- name: UploadLeft :many
-- Locked before the jobs of their erasure are.
select id from upload
where deleted_at is not null and expires_at < @put_before and id > @after
order by id limit @most
for no key update skip locked;

-- name: UploadRawDue :many
-- The link for putting has ended, and with it the last request that can have begun before that.
select id, raw_key from upload
where raw_deleted_at is null and deleted_at is null and status in ('ready', 'rejected') and expires_at < @put_before
order by expires_at limit @most;

-- name: UploadRawDeleted :exec
update upload set raw_deleted_at = @at where id = any (@ids::uuid[]);
