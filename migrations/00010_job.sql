-- Owner: queue/durable.
-- Every column but kind, queue and args has a default, so plain SQL can stage a job too: a
-- trigger, or a service in another language. The relay finds what nobody pushed.
-- +goose Up
create table job (
    id          uuid        not null primary key default gen_random_uuid(),
    kind        text        not null,
    queue       text        not null,
    args        jsonb       not null,
    dedupe_key  text,
    state       text        not null default 'staged' check (state in ('staged', 'pushed', 'running', 'retrying', 'dead')),
    epoch       integer     not null default 1,
    holder      uuid,
    attempt     integer     not null default 0,
    lost        smallint    not null default 0,
    wake        boolean     not null default false,
    error_code  text,
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    created_at  timestamptz not null default now(),
    staged_at   timestamptz not null default now(),
    died_at     timestamptz,
    check ((state = 'running') = (holder is not null)),
    check ((state = 'running') = (lease_until is not null)),
    check ((state = 'dead') = (died_at is not null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

comment on table job is 'Work that is owed. The row goes in the transaction that completes the job; a dead one waits for an operator.';
comment on column job.kind is 'erase: holds no personal value; row with the job''s end';
comment on column job.queue is 'erase: holds no personal value; row with the job''s end';
comment on column job.args is 'erase: ids, integers, booleans, times and enums only; row with the job''s end';
comment on column job.dedupe_key is 'erase: holds ids only; row with the job''s end';
comment on column job.state is 'erase: holds no personal value; row with the job''s end';
comment on column job.epoch is 'Names the push: a task in Redis is called id:epoch, and an older epoch is a duplicate.';
comment on column job.holder is 'Random name of the present claim: the fence that every write of a worker tests.';
comment on column job.attempt is 'Failed attempts so far. Claims, snoozes and lost leases do not count.';
comment on column job.lost is 'Leases lost in a row; any ordinary outcome sets it back to 0.';
comment on column job.wake is 'Somebody asked for this job while it ran: when it snoozes or fails, it runs again at once.';
comment on column job.error_code is 'erase: a code from a closed list; row with the job''s end';

create unique index job_dedupe_idx on job (kind, dedupe_key) where state <> 'dead';
create index job_staged_idx on job (run_at) where state = 'staged';
create index job_lease_idx on job (lease_until) where state = 'running';
create index job_waiting_idx on job (run_at) where state in ('pushed', 'retrying');
create index job_dead_idx on job (died_at) where state = 'dead';

-- +goose Down
drop table job;
