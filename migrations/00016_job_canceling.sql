-- Owner: queue/durable.
-- An operator's cancel is carried out by a worker, which has the handlers: whoever claims such a
-- job declares it dead, with its kind's Dead hook in the same transaction. Until then it is as
-- good as dead for everybody else, so its key is free.
-- +goose Up
alter table job
    add column canceling boolean not null default false,
    add check (not (canceling and state = 'dead'));

comment on column job.canceling is 'An operator canceled the job: the next claim, or the worker that holds it, declares it dead.';

drop index job_dedupe_idx;
create unique index job_dedupe_idx on job (kind, dedupe_key) where state <> 'dead' and not canceling;

-- +goose Down
drop index job_dedupe_idx;
create unique index job_dedupe_idx on job (kind, dedupe_key) where state <> 'dead';
alter table job drop column canceling;
