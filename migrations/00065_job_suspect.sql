-- Owner: queue/durable.
-- A lease that is lost is a sign of a job that kills workers, but neither when many workers went at once, nor
-- when the worker never called the handler, since its claim was not answered.
-- +goose Up
alter table job
    add column suspect boolean not null default true,
    add column begun boolean not null default true;

comment on column job.suspect is 'Of a job that has lost a lease: it may have been its doing, so a worker has one such job in hand at a time.';
comment on column job.begun is 'Of a suspect that runs: its handler was called, so that a lease lost counts.';
comment on column job.holder is 'Random name of the present claim: the fence that every write of a worker tests. Its first half is the worker''s.';

-- +goose Down
alter table job drop column suspect, drop column begun;
