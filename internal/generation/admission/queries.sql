-- name: TaskLockFree :one
-- TaskLock, for a caller that does not wait: what another has locked is not found.
select sqlc.embed(t), u.ref from ai_task t join generation_user u on u.user_id = t.user_id
where t.id = @id for update of t skip locked;

-- name: TaskDueLock :one
-- The next that is due from a deadline on, locked as TaskLock does. What another has locked is passed over. In the order of
-- the index alone, so that nothing is sorted for one row.
select sqlc.embed(t), u.ref from ai_task t join generation_user u on u.user_id = t.user_id
where t.deadline_at between @since and @now and t.finished_at is null and t.id <> all(@broken::uuid[])
order by t.deadline_at limit 1 for update of t skip locked;

-- name: AdmissionLock :exec
select pg_advisory_xact_lock(hashtext('generation.admit'), hashtext(@provider::text));

-- name: AdmissionClock :one
-- How far the line has got. No row: no user was ever served.
select c.now, c.entry from admission_clock c where c.provider = sqlc.arg(provider);

-- name: AdmissionEnter :execrows
-- Users who wait for the first time enter the line, one behind the other.
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
-- only models that are shut may serve takes no user's slot.
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
