-- name: KeyLock :exec
-- One creation at a time for a user, so that the limit holds.
select pg_advisory_xact_lock(hashtextextended(@lock_name::text, 0));

-- name: KeyCountLive :one
select count(*)
from api_key
where user_id = @user_id
  and revoked_at is null
  and (expires_at is null or expires_at > @now::timestamptz);

-- name: KeyInsert :exec
insert into api_key (id, user_id, name, prefix, secret_hash, scopes, created_at, expires_at)
values (@id, @user_id, @name, @prefix, @secret_hash, @scopes, @created_at, @expires_at);

-- name: KeyList :many
-- Live keys first, so that every key that works can be seen and revoked.
select id, name, prefix, scopes, created_at, expires_at, last_used_at
from api_key
where user_id = @user_id
  and revoked_at is null
order by (expires_at is null or expires_at > @now::timestamptz) desc, created_at desc, id
limit @max_rows;

-- name: KeyRevoke :execrows
update api_key
set revoked_at = coalesce(revoked_at, @now::timestamptz)
where id = @id
  and user_id = @user_id;

-- name: KeyForAuthentication :one
select k.user_id, k.secret_hash, k.scopes, k.last_used_at
from api_key k
join auth."user" u on u."id" = k.user_id
where k.id = @id
  and k.revoked_at is null
  and (k.expires_at is null or k.expires_at > @now::timestamptz)
  and not (coalesce(u."banned", false) and (u."banExpires" is null or u."banExpires" > @now::timestamptz));

-- name: KeysUsed :exec
-- Rows in one order, and none that another process is writing: two of these never wait for each other.
with due as (
    select k.id, u.at
    from api_key k
    join (select unnest(@ids::uuid[]) as id, unnest(@ats::timestamptz[]) as at) u on u.id = k.id
    where k.last_used_at is null
       or k.last_used_at < u.at
    order by k.id
    for no key update of k skip locked
)
update api_key
set last_used_at = due.at
from due
where api_key.id = due.id;
