-- Owner: internal/generation.
-- What attempts cost us: what the provider said with the result, and what it billed. An attempt of an erased generation still
-- costs something, so its row stays, but without what led to it; code of the release before, which knows nothing of that, takes
-- the row along.
-- +goose Up
create table provider_cost (
    id            uuid        not null primary key default gen_random_uuid(),
    attempt_id    uuid        unique references provider_attempt (id) on delete cascade,
    request_id    text        unique,
    model         text,
    endpoint      text        not null,
    ended_at      timestamptz not null,
    delivered     boolean     not null default false,
    images        smallint    not null default 0 check (images >= 0),
    credits       bigint      not null default 0 check (credits >= 0),
    units_told    numeric     check (units_told >= 0),
    units_billed  numeric     check (units_billed >= 0),
    cost_nano_usd bigint,
    checked_at    timestamptz,
    closed_at     timestamptz
);
comment on table provider_cost is 'What one request at the provider cost us. It names nobody.';
comment on column provider_cost.attempt_id is 'Null: its generation is erased, or the provider billed a request that we do not know.';
comment on column provider_cost.request_id is 'erase: null when the generation is erased; that of a request which we do not know, row after 90 days';
comment on column provider_cost.model is 'erase: the name of a model; row with the task, or 90 days after the attempt of an erased one. Null: not known.';
comment on column provider_cost.endpoint is 'erase: the name of a model at the provider; with the row';
comment on column provider_cost.ended_at is 'When the attempt ended; of an erased generation the hour alone.';
comment on column provider_cost.delivered is 'Whether the attempt ended with a result, be it one that was blocked.';
comment on column provider_cost.images is 'How many images of it were stored.';
comment on column provider_cost.credits is 'What was captured for these.';
comment on column provider_cost.units_told is 'erase: with the row. The billable units that the provider told with the result. Null: it told none.';
comment on column provider_cost.units_billed is 'erase: with the row. The units that it billed. Null: no bill was found.';
comment on column provider_cost.cost_nano_usd is 'What it billed, in billionths of a US dollar, after discounts.';
comment on column provider_cost.checked_at is 'When its bill was last looked for. Null: never.';
comment on column provider_cost.closed_at is 'When its bill was found, or given up. Null: it is looked for each night.';

-- What is open has no end, and is there in the order in which it ended.
create index provider_cost_closed_idx on provider_cost (closed_at, ended_at);
create index provider_cost_orphan_idx on provider_cost (ended_at) where attempt_id is null;

create table provider_bill (
    provider     text        not null primary key,
    listed_until timestamptz not null,
    compared_at  timestamptz,
    report       jsonb
);
comment on table provider_bill is 'How far what a provider billed has been compared with its attempts.';
comment on column provider_bill.provider is 'erase: the name of a provider; never';
comment on column provider_bill.listed_until is 'What was billed before this has been looked through for requests that we do not know.';
comment on column provider_bill.compared_at is 'When the last comparison ended. Null: none has.';
comment on column provider_bill.report is 'erase: counts and sums alone, of no person; until the next comparison';

-- The api hears of requests late, the worker ends attempts, compares and erases.
grant select, insert, update on provider_cost to imagerun_api;
grant select, insert, update, delete on provider_cost to imagerun_worker;
grant select on provider_cost to imagerun_operator;
grant select, insert, update on provider_bill to imagerun_worker;
grant select on provider_bill to imagerun_scheduler;

-- +goose Down
drop table provider_bill, provider_cost;
