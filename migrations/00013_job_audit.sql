-- Owner: queue/durable.
-- What operators did to jobs. The processes add to it and can neither change nor remove a row.
-- +goose Up
create table job_audit (
    id       bigint      not null primary key generated always as identity,
    at       timestamptz not null default now(),
    operator text        not null check (operator <> ''),
    action   text        not null check (action in ('retry', 'cancel', 'pause', 'resume')),
    queue    text,
    jobs     integer     not null default 0,
    job_ids  uuid[]      not null default '{}',
    check (jobs = cardinality(job_ids)),
    check ((queue is not null) = (action in ('pause', 'resume')))
);
comment on table job_audit is 'Who did what to how many jobs, and when. Ids only.';
comment on column job_audit.operator is 'erase: the login of one of our own operators; kept as evidence, the owner role removes it';
comment on column job_audit.action is 'erase: a word from a closed list; with the row';
comment on column job_audit.queue is 'erase: the name of a queue; with the row';
create index job_audit_ids_idx on job_audit using gin (job_ids);
revoke update, delete, truncate on job_audit from imagerun_app;

-- +goose Down
drop table job_audit;
