-- Owner: queue/durable.
-- Queues that an operator has paused. Redis only follows: what it forgets is put back.
-- +goose Up
create table queue_pause (
    queue     text        not null primary key,
    operator  text        not null check (operator <> ''),
    paused_at timestamptz not null default now()
);
comment on table queue_pause is 'A queue whose row is here is not worked until an operator resumes it.';
comment on column queue_pause.queue is 'erase: the name of a queue; when it is resumed';
comment on column queue_pause.operator is 'erase: the login of one of our own operators; when the queue is resumed';

-- +goose Down
drop table queue_pause;
