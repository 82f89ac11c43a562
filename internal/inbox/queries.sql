-- name: EventInsert :one
-- No row: it came before.
insert into inbox_event (id, source, event_id, event_type, body) values (@id, @source, @event_id, @event_type, @body)
on conflict (source, event_id) do nothing returning id;

-- name: EventLock :one
select source, event_id, event_type, body, state from inbox_event where id = @id for no key update;

-- name: EventEnd :exec
update inbox_event set state = @state, code = sqlc.narg(code), ended_at = clock_timestamp() where id = @id;

-- name: EventReplay :one
-- It begins anew, unless there is nothing any more to work.
update inbox_event set
    state    = case when body_erased_at is null then 'received' else state end,
    code     = case when body_erased_at is null then null else code end,
    ended_at = case when body_erased_at is null then null else ended_at end
where id = @id returning (body_erased_at is not null)::boolean as erased;

-- name: BodiesErase :execrows
update inbox_event set body = null, body_erased_at = clock_timestamp() where id in (
    select e.id from inbox_event e where e.received_at <= @before and e.body is not null order by e.received_at limit @most for update skip locked
);

-- name: EventsForget :execrows
delete from inbox_event where id in (
    select e.id from inbox_event e where e.received_at <= @before order by e.received_at limit @most for update skip locked
);

-- name: EventsUnworked :many
select source, min(received_at)::timestamptz as oldest from inbox_event where state = 'received' group by source;
