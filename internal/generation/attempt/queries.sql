-- name: TaskRunning :many
-- By the index of what is under way: that of a user's history may be long.
select id from ai_task
where user_id = $1 and status = 'running' and admitted_at is not null and finished_at is null and deleted_at is null
order by created_at desc limit 100;

-- name: AdmissionReturn :exec
-- Nothing was tried: the slot is free for others, and the task waits for its next turn.
update ai_task set admitted_at = null where id = sqlc.arg(id) and status = 'queued';

-- name: ImageStored :exec
update ai_image set status = 'stored', content_type = @content_type, width = @width, height = @height,
    bytes = @bytes, sha256 = @sha256, thumbhash = @thumbhash, stored_at = @stored_at
where id = @id;

-- name: ImageSettle :exec
update ai_image set status = @status, failure_code = @failure_code where id = @id and status = 'pending';

-- name: EventLatest :one
select at from generation_event where task_id = $1 order by sequence desc limit 1;

-- name: AttemptInsert :one
insert into provider_attempt (id, task_id, n, model, endpoint, created_at)
values (@id, @task_id, (select coalesce(max(n), 0) + 1 from provider_attempt where task_id = @task_id), @model, @endpoint, @created_at)
returning *;

-- name: AttemptList :many
select * from provider_attempt where task_id = $1 order by n;

-- name: AttemptWatched :many
-- The attempts whose users are looking on.
select a.id from provider_attempt a join ai_task t on t.id = a.task_id
where t.id = any(@task_ids::uuid[]) and t.user_id = @user_id and t.status = 'running' and a.state = 'submitted'
order by a.id;

-- name: AttemptGet :one
select * from provider_attempt where id = $1;

-- name: AttemptLock :one
-- After its task's row: also who does not lock that one, as a release before did not, changes nothing meanwhile.
select * from provider_attempt where id = $1 for no key update;

-- name: AttemptSubmitted :execrows
-- A callback may have come before the reply: what is known stays.
update provider_attempt set state = 'submitted', request_id = coalesce(request_id, @request_id),
    status_url = coalesce(sqlc.narg(status_url), status_url),
    response_url = coalesce(sqlc.narg(response_url), response_url),
    cancel_url = coalesce(sqlc.narg(cancel_url), cancel_url),
    sent_at = coalesce(sent_at, @at)
where id = @id and state in ('intent', 'unknown', 'submitted');

-- name: AttemptUnknown :exec
update provider_attempt set state = 'unknown', sent_at = coalesce(sent_at, @at)
where id = @id and state = 'intent';

-- name: AttemptCallback :execrows
update provider_attempt set callback = @callback, callback_at = @at
where id = @id and state in ('intent', 'unknown', 'submitted');

-- name: AttemptEnd :exec
-- The callback's body has served its purpose.
update provider_attempt set state = @state, error_code = sqlc.narg(error_code), callback = null, finished_at = @at
where id = @id and finished_at is null;

-- name: AttemptAbandon :execrows
-- The worker that decides this looked a moment ago; a request that has become known since is no lost one.
update provider_attempt set state = 'abandoned', error_code = sqlc.narg(error_code), callback = null, finished_at = @at
where id = @id and finished_at is null and request_id is null;

-- name: AttemptLate :execrows
-- A request that was not known when its attempt was given up. One that another attempt was found to be is that one's.
update provider_attempt a set request_id = @request_id
where a.id = @id and a.finished_at is not null and a.request_id is null
    and not exists (select from provider_attempt o where o.request_id = @request_id);

-- name: AttemptTombstoneLate :execrows
update provider_attempt_tombstone set request_id = @request_id
where attempt_id = @id and coalesce(request_id, @request_id) = @request_id;

-- name: AttemptTried :one
-- How many attempts the provider has had, as far as we know: what it refused for our account's
-- sake, or had no room for, is none.
select count(*) from provider_attempt
where task_id = $1 and (state <> 'abandoned' or request_id is not null or error_code = 'submit_lost');

-- name: RequestsKnown :many
select request_id::text from provider_attempt where request_id = any(@request_ids::text[]);

-- name: AttemptTwin :one
-- Whether there is another request whose answer was lost and that only its reference tells from this
-- one; also of a generation that was ended since.
select exists (
    select from ai_task t join provider_attempt a on a.task_id = t.id
    where t.reference_key <> @reference_key and t.prompt = @prompt
        and (t.parameters->>'seed')::bigint = sqlc.arg(seed)::bigint and a.endpoint = @endpoint
        and a.request_id is null and a.state in ('intent', 'unknown'));
