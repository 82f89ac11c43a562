-- name: CostPurge :execrows
delete from provider_cost where id in (
    select c.id from provider_cost c where c.attempt_id is null and c.ended_at < @before limit @most
);

-- name: CostOpen :many
-- Requests whose bill is looked for, and was not within this night.
select id, request_id::text as request_id, ended_at from provider_cost
where closed_at is null and request_id is not null and ended_at <= @before and (checked_at is null or checked_at < @since)
    and (ended_at, id) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::uuid)
order by ended_at, id limit @most;

-- name: CostBilled :exec
-- A request may have been billed in parts.
update provider_cost c set units_billed = b.units, cost_nano_usd = b.cost, checked_at = @now, closed_at = @now
from (
    select e.request_id, sum(e.units) as units, sum(e.cost)::bigint as cost from (
        select unnest(@request_ids::text[]) as request_id, unnest(@units::text[])::numeric as units, unnest(@costs::bigint[]) as cost
    ) e group by e.request_id
) b
where c.request_id = b.request_id and c.closed_at is null;

-- name: CostChecked :exec
update provider_cost set checked_at = @now where id = any(@ids::uuid[]) and closed_at is null;

-- name: CostGiveUp :exec
-- Also of what was listed in vain, since its generation is erased.
update provider_cost set closed_at = @now
where closed_at is null and ended_at < @before and (request_id is null or checked_at is not null);

-- name: CostMissing :many
-- Attempts that a release ended which recorded no cost.
select a.id from provider_attempt a where a.request_id = any(@request_ids::text[]) and a.finished_at is not null
    and not exists (select from provider_cost c where c.request_id = a.request_id);

-- name: RequestsUnknown :many
select r.id::text from unnest(@request_ids::text[]) as r (id)
where not exists (select from provider_cost c where c.request_id = r.id)
    and not exists (select from provider_attempt a where a.request_id = r.id)
    and not exists (select from provider_attempt_tombstone o where o.request_id = r.id);

-- name: CostMatch :execrows
-- A bill of a request that nothing names any more, to an attempt of an erased generation that ended about then: those of an
-- endpoint and an hour are alike.
update provider_cost set units_billed = sqlc.arg(units)::text::numeric, cost_nano_usd = @cost, checked_at = @now, closed_at = @now
where id = (
    select c.id from provider_cost c
    where c.closed_at is null and c.attempt_id is null and c.request_id is null and c.endpoint = @endpoint
        and c.ended_at between @from_ and @to_
    order by c.units_told is distinct from sqlc.arg(units)::text::numeric, c.ended_at limit 1
);

-- name: CostUnknown :exec
insert into provider_cost (request_id, endpoint, ended_at) values (@request_id::text, @endpoint, @at) on conflict (request_id) do nothing;

-- name: BillBegin :one
insert into provider_bill (provider, listed_until) values (@provider, @now)
on conflict (provider) do update set provider = excluded.provider
returning listed_until;

-- name: BillListed :execrows
-- Of two that listed the same, one writes it down.
update provider_bill set listed_until = @until where provider = @provider and listed_until = @since;

-- name: BillDifferences :many
-- What was found out since a time that is not as it should be, with some of the requests.
select d.kind::text as kind, count(*) as n, (array_agg(d.request_id) filter (where d.request_id is not null))[1:20]::text[] as requests from (
    select request_id, case
        when cost_nano_usd is null then case when images > 0 then 'unbilled' end
        when attempt_id is null and request_id is not null then 'unknown'
        when not delivered and cost_nano_usd > 0 then 'failed'
        when units_told <> units_billed then 'units'
    end as kind
    from provider_cost where closed_at >= @since
) d where d.kind is not null group by d.kind order by d.kind;

-- name: BillPending :one
-- What was looked for in vain so far, although images of it are stored.
select count(*) from provider_cost where closed_at is null and images > 0 and checked_at is not null;

-- name: BillModels :many
select model::text, count(*) as attempts, sum(cost_nano_usd)::bigint as cost_nano_usd, sum(credits)::bigint as credits from provider_cost
where closed_at >= @since and cost_nano_usd is not null and model is not null group by model order by model;

-- name: BillReport :exec
update provider_bill set compared_at = @at, report = @report where provider = @provider;

-- name: BillLast :one
select compared_at, report from provider_bill where provider = @provider and report is not null;
