-- name: TaskCountWaiting :one
-- What waits is what was neither admitted nor ended. To say it by the status would take an index that each change of a status has to
-- change, too. What is in the background waits behind the rest.
select count(*)::integer as waiting, count(*) filter (where not background)::integer as normal from ai_task
where user_id = $1 and provider = $2 and admitted_at is null and finished_at is null;

-- name: TaskInsert :exec
insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, negative_prompt, parameters, metadata,
    support_code, created_at, deadline_at, reference_upload_id, reference_key, remix_of, prices, background)
values (@id, @user_id, @provider, @model, @catalogue_hash, @prompt, sqlc.narg(negative_prompt), @parameters, @metadata,
    @support_code, @created_at, @deadline_at, sqlc.narg(reference_upload_id), sqlc.narg(reference_key),
    sqlc.narg(remix_of), @prices, @background);

-- name: EventInsert :execrows
-- The number among all events of the user comes from a counter and not from a sequence: its row is
-- locked until the commit, so whoever sees a number has seen every smaller one.
with counter as (
    update generation_user set event_sequence = number_after(event_sequence) where user_id = @user_id returning event_sequence
)
insert into generation_event (task_id, sequence, status, canceling, image_index, at, user_id, user_sequence)
select @task_id, @sequence, @status, @canceling, sqlc.narg(image_index), @at, @user_id, event_sequence from counter;

-- name: TombstoneInsert :execrows
with counter as (
    update generation_user set event_sequence = number_after(event_sequence) where user_id = @user_id returning event_sequence
)
insert into generation_tombstone (task_id, user_id, deleted_at, user_sequence)
select @task_id, @user_id, @at, event_sequence from counter;

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

-- name: TaskWaiting :many
-- What of a user waits for its turn, newest first.
select id from ai_task
where user_id = @user_id and admitted_at is null and finished_at is null and deleted_at is null
order by created_at desc, id desc limit @most;

-- name: TaskUsage :one
-- By the index of what is under way.
select count(*) filter (where admitted_at is not null)::integer as slots, count(*) filter (where admitted_at is null)::integer as waiting
from ai_task where user_id = $1 and finished_at is null;

-- name: TaskRunning :many
-- By the index of what is under way: that of a user's history may be long.
select id from ai_task
where user_id = $1 and status = 'running' and admitted_at is not null and finished_at is null and deleted_at is null
order by created_at desc limit 100;

-- name: TaskMany :many
select * from ai_task where id = any(@ids::uuid[]) and user_id = @user_id and deleted_at is null;

-- name: TaskFavourite :execrows
update ai_task set favourite_at = case when @favourite::boolean then coalesce(favourite_at, sqlc.arg(at)::timestamptz) end
where id = @id and user_id = @user_id and deleted_at is null;

-- name: ImagesInsert :exec
insert into ai_image (id, task_id, index, key, thumbnail_key)
select unnest(@ids::uuid[]), @task_id, unnest(@indexes::smallint[]), unnest(@keys::text[]), unnest(@thumbnail_keys::text[]);

-- name: TaskGet :one
select sqlc.embed(t), u.ref, u.plan from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id and t.user_id = @user_id;

-- name: TaskLock :one
-- The one way to begin a change of a task: whoever holds the row decides.
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

-- name: TaskMarkDeleted :exec
update ai_task set deleted_at = @at where id = @id and deleted_at is null;

-- name: TaskLockFree :one
-- TaskLock, for who does not wait: what somebody else has locked is not found.
select sqlc.embed(t), u.ref from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id for update of t skip locked;

-- name: TaskDueLock :one
-- The next that is due from a deadline on, locked as TaskLock does. What somebody else has locked is passed over. In the order of
-- the index alone, so that nothing is sorted for one row.
select sqlc.embed(t), u.ref from ai_task t join generation_user u on u.user_id = t.user_id
where t.deadline_at between @since and @now and t.finished_at is null and t.id <> all(@broken::uuid[])
order by t.deadline_at limit 1 for update of t skip locked;

-- name: TaskLeft :many
-- What is deleted, has ended and is still here. Locked before the jobs of its erasure are.
select id from ai_task where deleted_at is not null and finished_at is not null and id > @after order by id limit @most for no key update skip locked;

-- name: TaskDelete :exec
delete from ai_task where id = @id;

-- name: TombstoneExists :one
select exists (select from generation_tombstone where task_id = @id and user_id = @user_id);

-- name: TombstoneUsers :many
select distinct user_id from generation_tombstone where deleted_at < @before limit @most;

-- name: TombstonePurge :exec
-- Of one user, whose row is locked: whoever deletes a generation holds it, too.
with gone as (
    delete from generation_tombstone d where d.user_id = @user_id and d.deleted_at < @before returning d.user_sequence
)
update generation_user u set event_floor = greatest(u.event_floor, (select max(user_sequence) from gone)) where u.user_id = @user_id;

-- name: AdmissionLock :exec
select pg_advisory_xact_lock(hashtext('generation.admit'), hashtext(@provider::text));

-- name: AdmissionClock :one
-- How far the line has got. No row: nobody was ever served.
select c.now, c.entry from admission_clock c where c.provider = sqlc.arg(provider);

-- name: AdmissionEnter :execrows
-- Whoever waits for the first time enters the line, one behind the other.
insert into admission_turn (provider, user_id, pass)
select sqlc.arg(provider)::text as provider, w.user_id, least(sqlc.arg(entry)::bigint + row_number() over (order by w.since, w.user_id) - 1, sqlc.arg(latest)::bigint) as pass
from (
    select user_id, min(created_at) as since from ai_task
    where provider = sqlc.arg(provider) and admitted_at is null and finished_at is null
    group by user_id
) w
where not exists (select from admission_turn a where a.provider = sqlc.arg(provider) and a.user_id = w.user_id);

-- name: AdmissionNext :many
-- Who is next, with as many of their waiting tasks as their plan has free slots for: the oldest, and those in the background
-- only when the user has no others. Slots are
-- counted from rows, so a crash leaks none. Who is on a plan that is no more has the default one. What
-- only models that are shut may serve takes nobody's slot.
with plan as (
    select unnest(sqlc.arg(plans)::text[]) as name, unnest(sqlc.arg(slots)::integer[]) as slots
), busy as (
    select user_id, count(*) as n from ai_task
    where admitted_at is not null and finished_at is null group by user_id
), waiting as (
    select distinct t.user_id from ai_task t where t.provider = sqlc.arg(provider) and t.admitted_at is null and t.finished_at is null
        and (t.model <> all (sqlc.arg(shut)::text[]) or exists (
            select from ai_task s, jsonb_array_elements_text(s.parameters->'fallback_models') f where s.id = t.id and f <> all (sqlc.arg(shut)::text[])))
), next as (
    select a.user_id, a.pass, u.plan, coalesce(p.slots, sqlc.arg(default_slots)::integer) - coalesce(b.n, 0) as free
    from waiting w
    join admission_turn a on a.provider = sqlc.arg(provider) and a.user_id = w.user_id
    join generation_user u on u.user_id = w.user_id
    left join plan p on p.name = u.plan
    left join busy b on b.user_id = w.user_id
    where coalesce(p.slots, sqlc.arg(default_slots)::integer) > coalesce(b.n, 0)
    order by a.pass, a.user_id
    limit sqlc.arg(most)::integer
)
select n.user_id, n.pass, n.plan, l.ids
from next n cross join lateral (
    select array_agg(h.id order by h.background, h.created_at, h.id)::uuid[] as ids from (
        select t.id, t.background, t.created_at from ai_task t
        where t.provider = sqlc.arg(provider) and t.user_id = n.user_id and t.admitted_at is null and t.finished_at is null
            and (t.model <> all (sqlc.arg(shut)::text[]) or exists (
                select from jsonb_array_elements_text(t.parameters->'fallback_models') f where f <> all (sqlc.arg(shut)::text[])))
        order by t.background, t.created_at, t.id limit least(n.free, sqlc.arg(most)::integer)
    ) h
) l
order by n.pass, n.user_id;

-- name: AdmissionBusy :one
-- How many slots of the provider are taken.
select count(*) from ai_task
where provider = sqlc.arg(provider) and admitted_at is not null and finished_at is null and status in ('queued', 'submitting', 'running');

-- name: AdmissionMark :exec
update ai_task set admitted_at = sqlc.arg(at) where id = any(sqlc.arg(ids)::uuid[]);

-- name: AdmissionReturn :exec
-- Nothing was tried: the slot is free for others, and the task waits for its next turn.
update ai_task set admitted_at = null where id = sqlc.arg(id) and status = 'queued';

-- name: AdmissionServed :exec
update admission_turn a set pass = s.pass
from (select unnest(sqlc.arg(user_ids)::uuid[]) as user_id, unnest(sqlc.arg(passes)::bigint[]) as pass) s
where a.provider = sqlc.arg(provider) and a.user_id = s.user_id;

-- name: AdmissionTick :exec
insert into admission_clock (provider, now, entry) values (sqlc.arg(provider), sqlc.arg(now)::bigint, sqlc.arg(entry))
on conflict (provider) do update set now = excluded.now, entry = excluded.entry;

-- name: AdmissionLine :many
-- Everybody who waits for more than models that are shut. Who has not entered yet has no pass; they
-- come in the order in which they will.
select w.user_id, w.n, u.plan, a.pass
from (
    select t.user_id, count(*) as n, min(t.created_at) as since from ai_task t where t.provider = sqlc.arg(provider) and t.admitted_at is null and t.finished_at is null
        and (t.model <> all (sqlc.arg(shut)::text[]) or exists (
            select from ai_task s, jsonb_array_elements_text(s.parameters->'fallback_models') f where s.id = t.id and f <> all (sqlc.arg(shut)::text[])))
    group by t.user_id
) w
join generation_user u on u.user_id = w.user_id
left join admission_turn a on a.provider = sqlc.arg(provider) and a.user_id = w.user_id
order by w.since, w.user_id;

-- name: AdmissionOwn :many
-- How many of the user wait before each of these; none of those that only models that are shut may serve.
select id, own::integer as own from (
    select t.id, row_number() over (order by t.background, t.created_at, t.id) - 1 as own from ai_task t
    where t.provider = sqlc.arg(provider) and t.user_id = sqlc.arg(user_id) and t.admitted_at is null and t.finished_at is null
        and (t.model <> all (sqlc.arg(shut)::text[]) or exists (
            select from ai_task s, jsonb_array_elements_text(s.parameters->'fallback_models') f where s.id = t.id and f <> all (sqlc.arg(shut)::text[])))
) w where id = any(sqlc.arg(ids)::uuid[]);

-- name: AdmissionHeld :one
-- How many slots are taken, of the provider and of a user, the plan that says how many there are, and
-- where the user is in the line.
select u.plan, a.pass, (select count(*) from ai_task b where b.provider = sqlc.arg(provider) and b.admitted_at is not null and b.finished_at is null and b.status in ('queued', 'submitting', 'running'))::integer as provider,
    (select count(*) from ai_task o where o.user_id = u.user_id and o.admitted_at is not null and o.finished_at is null)::integer as own
from generation_user u left join admission_turn a on a.provider = sqlc.arg(provider) and a.user_id = u.user_id
where u.user_id = sqlc.arg(user_id);

-- name: ImageList :many
select * from ai_image where task_id = any(@task_ids::uuid[]) order by task_id, index;

-- name: ImageStored :exec
update ai_image set status = 'stored', content_type = @content_type, width = @width, height = @height,
    bytes = @bytes, sha256 = @sha256, thumbhash = @thumbhash, stored_at = @stored_at
where id = @id;

-- name: ImageSettle :exec
update ai_image set status = @status, failure_code = @failure_code where id = @id and status = 'pending';

-- name: ImageAbandon :exec
update ai_image set status = 'failed', failure_code = sqlc.narg(failure_code) where task_id = @task_id and status = 'pending';

-- name: EventList :many
select sequence, status, canceling, image_index, at from generation_event
where task_id = @task_id and sequence > @after order by sequence;

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

-- name: AttemptOpen :many
select id from provider_attempt where task_id = $1 and state in ('intent', 'unknown', 'submitted');

-- name: AttemptOwed :many
-- Attempts of generations that have ended which are not over, or of which the provider may have something. Their tasks are
-- locked before the jobs are that see to them.
select a.id, a.task_id, a.created_at, (a.finished_at is null)::boolean as open from provider_attempt a join ai_task t on t.id = a.task_id
where (a.finished_at is null or a.request_id is not null and a.erased_at is null and a.created_at > @since)
    and a.id > @after and t.finished_at is not null
order by a.id limit @most for no key update of t skip locked;

-- name: AttemptUnerased :many
select * from provider_attempt where task_id = $1 and request_id is not null and erased_at is null;

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
-- Whoever decides this looked a moment ago; a request that has become known since is no lost one.
update provider_attempt set state = 'abandoned', error_code = sqlc.narg(error_code), callback = null, finished_at = @at
where id = @id and finished_at is null and request_id is null;

-- name: AttemptLate :execrows
-- A request that nobody knew of when its attempt was given up. One that another attempt was found to be is that one's.
update provider_attempt a set request_id = @request_id
where a.id = @id and a.finished_at is not null and a.request_id is null
    and not exists (select from provider_attempt o where o.request_id = @request_id);

-- name: AttemptsRemember :exec
-- What may turn out to be at the provider is found by this when its own row is gone.
insert into provider_attempt_tombstone (attempt_id, endpoint, forget_at)
select a.id, a.endpoint, a.created_at + sqlc.arg(kept)::float8 * interval '1 second' from provider_attempt a
where a.task_id = @task_id and a.request_id is null and a.created_at + sqlc.arg(kept)::float8 * interval '1 second' > sqlc.arg(now)::timestamptz;

-- name: AttemptTombstoneGet :one
select * from provider_attempt_tombstone where attempt_id = $1;

-- name: AttemptTombstoneLate :execrows
update provider_attempt_tombstone set request_id = @request_id
where attempt_id = @id and coalesce(request_id, @request_id) = @request_id;

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

-- name: AttemptTried :one
-- How many attempts the provider has had, as far as we know: what it refused for our account's
-- sake, or had no room for, is none.
select count(*) from provider_attempt
where task_id = $1 and (state <> 'abandoned' or request_id is not null or error_code = 'submit_lost');

-- name: AttemptErased :exec
update provider_attempt set erased_at = @at where id = @id;

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
