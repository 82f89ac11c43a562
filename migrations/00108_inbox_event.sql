-- Owner: internal/inbox.
-- Webhooks that vendors send, each kept once. What an event says may be of a person and goes after 30 days; that it came is
-- known for a year, so that one that is sent again, by the vendor or by who copied it, is not worked again.
-- +goose Up
create table inbox_event (
    id             uuid        not null primary key,
    source         text        not null check (source ~ '^[a-z]+$'),
    event_id       text        not null check (char_length(event_id) between 1 and 200),
    event_type     text        not null check (char_length(event_type) between 1 and 100),
    body           bytea,
    state          text        not null default 'received' check (state in ('received', 'worked', 'ignored', 'failed')),
    code           text        check (code ~ '^[a-z][a-z0-9_]*$'),
    received_at    timestamptz not null default clock_timestamp(),
    ended_at       timestamptz, -- null: nobody has worked it yet
    body_erased_at timestamptz,
    unique (source, event_id),
    check ((body is null) = (body_erased_at is not null)),
    check ((state = 'received') = (ended_at is null)),
    check ((state = 'failed') = (code is not null))
);
comment on table inbox_event is 'A webhook that a vendor sent, and what became of it. Ignored: nobody here works events of its type.';
comment on column inbox_event.source is 'erase: the name of a vendor; row a year after it came';
comment on column inbox_event.event_id is 'erase: the vendor''s id of the event; row a year after it came';
comment on column inbox_event.event_type is 'erase: the vendor''s word for what happened; row a year after it came';
comment on column inbox_event.body is 'erase: null 30 days after it came. What the vendor sent, byte for byte; it may name a person.';
comment on column inbox_event.state is 'erase: a word from a closed list; row a year after it came';
comment on column inbox_event.code is 'erase: a code from our closed lists; row a year after it came';
create index inbox_event_body_idx on inbox_event (received_at) where body is not null;
create index inbox_event_received_idx on inbox_event (received_at);

-- Who takes an event in, or has it worked again, needs not read it. Working it again is a job, which an operator stages.
grant insert, select (id, source, event_id) on inbox_event to imagerun_api;
grant select, update, delete on inbox_event to imagerun_worker;
grant select (id, source, event_id, event_type, state, code, received_at, ended_at, body_erased_at), update
    on inbox_event to imagerun_operator;
grant insert on job to imagerun_operator;

-- +goose Down
revoke insert on job from imagerun_operator;
drop table inbox_event;
