-- name: UserEnsure :one
insert into generation_user (user_id) values ($1)
on conflict (user_id) do update set user_id = excluded.user_id
returning ref, plan;

-- name: TaskCountWaiting :one
select count(*) from ai_task
where user_id = $1 and provider = $2 and status = 'queued' and admitted_at is null;

-- name: TaskInsert :exec
insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, negative_prompt, parameters, metadata,
    support_code, created_at, deadline_at, reference_upload_id, reference_key)
values (@id, @user_id, @provider, @model, @catalogue_hash, @prompt, sqlc.narg(negative_prompt), @parameters, @metadata,
    @support_code, @created_at, @deadline_at, sqlc.narg(reference_upload_id), sqlc.narg(reference_key));

-- name: EventInsert :exec
insert into generation_event (task_id, sequence, status, image_index, at)
values (@task_id, @sequence, @status, sqlc.narg(image_index), @at);

-- name: ImageInsert :copyfrom
insert into ai_image (id, task_id, index, key, thumbnail_key) values ($1, $2, $3, $4, $5);

-- name: TaskGet :one
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id and t.user_id = @user_id;

-- name: TaskLock :one
-- The one way to begin a change of a task: whoever holds the row decides.
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id for update of t;

-- name: TaskSet :execrows
-- The one statement that changes a status. Compare-and-set on the sequence, never out of a terminal state.
update ai_task set status = @status, status_sequence = status_sequence + 1,
    failure_code = sqlc.narg(failure_code), finished_at = sqlc.narg(finished_at)
where id = @id and status_sequence = @status_sequence and finished_at is null;

-- name: TaskProgress :exec
update ai_task set progress = sqlc.narg(progress), provider_position = sqlc.narg(provider_position) where id = @id;

-- name: TaskServed :exec
update ai_task set served_model = @model where id = @id;

-- name: TaskMarkDeleted :exec
update ai_task set deleted_at = @at where id = @id and deleted_at is null;

-- name: TaskDue :many
select id from ai_task where deadline_at <= @now and finished_at is null
order by deadline_at limit @most;

-- name: TaskDelete :exec
with task as (
    delete from ai_task where id = @id returning id, user_id
)
insert into generation_tombstone (task_id, user_id, deleted_at)
select id, user_id, @at from task;

-- name: TombstoneExists :one
select exists (select from generation_tombstone where task_id = @id and user_id = @user_id);

-- name: TombstonePurge :execrows
delete from generation_tombstone where deleted_at < @before;

-- name: AdmissionLock :exec
select pg_advisory_xact_lock(hashtext('generation.admit'), hashtext(@provider::text));

-- name: AdmissionNext :many
-- Who is next: the first waiting task of each before the second of any, the least recently served
-- first, as far as the slots of the provider and of each plan reach. Counted from rows,
-- so a crash leaks no slot. Who is on a plan that is no more has the default one's slots.
with plan as (
    select unnest(@plans::text[]) as name, unnest(@slots::integer[]) as slots
), busy as (
    select user_id, count(*) as n from ai_task
    where admitted_at is not null and finished_at is null group by user_id
), waiting as (
    select t.id, t.user_id, row_number() over (partition by t.user_id order by t.created_at, t.id) as turn
    from ai_task t where t.provider = @provider and t.status = 'queued' and t.admitted_at is null
)
select w.id, w.user_id
from waiting w
join generation_user u on u.user_id = w.user_id
left join plan p on p.name = u.plan
left join busy b on b.user_id = w.user_id
where w.turn <= coalesce(p.slots, @default_slots::integer) - coalesce(b.n, 0)
order by w.turn, u.last_admitted_at nulls first, w.id
limit @most;

-- name: AdmissionBusy :one
-- How many slots of the provider are taken.
select count(*) from ai_task
where provider = @provider and admitted_at is not null and status in ('queued', 'submitting', 'running');

-- name: AdmissionMark :exec
with task as (
    update ai_task set admitted_at = @at where id = any(@ids::uuid[]) returning user_id
)
update generation_user set last_admitted_at = @at where user_id in (select user_id from task);

-- name: AdmissionPosition :one
-- How many waiting tasks get their turn before this one, in the order of AdmissionNext.
with waiting as (
    select t.id, row_number() over (order by t.turn, t.last_admitted_at nulls first, t.id) - 1 as ahead
    from (
        select t.id, u.last_admitted_at, row_number() over (partition by t.user_id order by t.created_at, t.id) as turn
        from ai_task t join generation_user u on u.user_id = t.user_id
        where t.provider = @provider and t.status = 'queued' and t.admitted_at is null
    ) t
)
select ahead::integer from waiting where id = @id;

-- name: ImageList :many
select * from ai_image where task_id = any(@task_ids::uuid[]) order by task_id, index;

-- name: ImageStored :exec
update ai_image set status = 'stored', content_type = @content_type, width = @width, height = @height,
    bytes = @bytes, sha256 = @sha256, stored_at = @stored_at
where id = @id;

-- name: ImageSettle :exec
update ai_image set status = @status where id = @id and status = 'pending';

-- name: ImageAbandon :exec
update ai_image set status = 'failed' where task_id = @task_id and status = 'pending';

-- name: EventList :many
select sequence, status, image_index, at from generation_event
where task_id = @task_id and sequence > @after order by sequence;

-- name: AttemptInsert :one
insert into provider_attempt (id, task_id, n, model, endpoint, created_at)
values (@id, @task_id, (select coalesce(max(n), 0) + 1 from provider_attempt where task_id = @task_id), @model, @endpoint, @created_at)
returning *;

-- name: AttemptList :many
select * from provider_attempt where task_id = $1 order by n;

-- name: AttemptWatched :many
-- The attempts whose users are looking on.
select a.id from provider_attempt a join ai_task t on t.id = a.task_id
where t.id = any(@task_ids::uuid[]) and t.user_id = @user_id and t.status = 'running' and a.state = 'submitted';

-- name: AttemptGet :one
select * from provider_attempt where id = $1;

-- name: AttemptOpen :many
select id from provider_attempt where task_id = $1 and state in ('intent', 'unknown', 'submitted');

-- name: AttemptUnerased :many
select * from provider_attempt where task_id = $1 and request_id is not null and erased_at is null;

-- name: AttemptSubmitted :exec
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

-- name: AttemptCallback :exec
update provider_attempt set callback = @callback, callback_at = @at
where id = @id and state in ('intent', 'unknown', 'submitted');

-- name: AttemptEnd :exec
-- The callback's body has served its purpose.
update provider_attempt set state = @state, error_code = sqlc.narg(error_code), callback = null, finished_at = @at
where id = @id and finished_at is null;

-- name: AttemptAbandon :execrows
-- Whoever decides this looked a moment ago; a request that has become known since is no lost one.
update provider_attempt set state = 'abandoned', error_code = sqlc.narg(error_code), callback = null, finished_at = @at
where id = @id and finished_at is null and request_id is null;

-- name: AttemptLate :execrows
-- A request that nobody knew of when its attempt was given up.
update provider_attempt set request_id = @request_id
where id = @id and finished_at is not null and request_id is null;

-- name: AttemptTried :one
-- How many attempts the provider has had, as far as we know: what it refused for our account's
-- sake, or had no room for, is none.
select count(*) from provider_attempt
where task_id = $1 and (state <> 'abandoned' or request_id is not null or error_code = 'submit_lost');

-- name: AttemptErased :exec
update provider_attempt set erased_at = @at where id = @id;

-- name: RequestsKnown :many
select request_id::text from provider_attempt where request_id = any(@request_ids::text[]);

-- name: TaskPeek :one
-- Without a lock: for a look before outside calls, never for a decision.
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id;

-- name: BreakerList :many
select * from model_breaker where opened_at is not null;

-- name: BreakerFail :one
-- One more failure in a row; at the limit it opens, and a failed probe keeps it open.
insert into model_breaker (model, failures) values (@model, 1)
on conflict (model) do update set failures = model_breaker.failures + 1,
    opened_at = case when model_breaker.failures + 1 >= sqlc.arg(limit_)::integer then coalesce(model_breaker.opened_at, sqlc.arg(at)::timestamptz) end
returning *;

-- name: BreakerClose :execrows
-- Where there is no failure to forget it writes nothing, so that nobody waits for anybody.
delete from model_breaker where model = @model;

-- name: BreakerProbe :execrows
-- One caller in each pause may try a model that is open.
update model_breaker set probed_at = sqlc.arg(at)::timestamptz
where model = @model and opened_at is not null and coalesce(probed_at, opened_at) <= sqlc.arg(before)::timestamptz;
