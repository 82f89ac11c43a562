-- Owner: internal/generation; generation_user is internal/user's.
-- +goose Up
create table generation_user (
    user_id          uuid        not null primary key, -- auth.user; no foreign key: erasure is ours, step by step
    ref              text        not null unique default replace(gen_random_uuid()::text, '-', ''),
    plan             text        not null default 'free',
    last_admitted_at timestamptz
);
comment on table generation_user is 'What generation knows of a user: a random name for object keys and hints, the plan, and when they last got a turn.';
comment on column generation_user.ref is 'erase: row with the account';
comment on column generation_user.plan is 'erase: row with the account';

create table ai_task (
    id              uuid        not null primary key default gen_random_uuid(),
    user_id         uuid        not null references generation_user (user_id),
    provider        text        not null,
    status          text        not null default 'queued' check (status in
        ('queued', 'submitting', 'running', 'storing', 'succeeded', 'partial', 'failed', 'blocked', 'canceled', 'expired')),
    status_sequence bigint      not null default 1,
    model           text        not null,
    catalogue_hash  text        not null,
    prompt          text        not null,
    negative_prompt text,
    parameters      jsonb       not null,
    metadata        jsonb       not null default '{}',
    failure_code    text,
    support_code    text        not null unique,
    created_at      timestamptz not null default now(),
    deadline_at     timestamptz not null,
    admitted_at     timestamptz,
    finished_at     timestamptz,
    deleted_at      timestamptz,
    check ((finished_at is not null) = (status in ('succeeded', 'partial', 'failed', 'blocked', 'canceled', 'expired')))
);
comment on table ai_task is 'One generation, by the name that the privacy policy gives it.';
comment on column ai_task.provider is 'erase: row with the task';
comment on column ai_task.status is 'erase: row with the task';
comment on column ai_task.model is 'erase: row with the task';
comment on column ai_task.catalogue_hash is 'erase: row with the task';
comment on column ai_task.prompt is 'erase: row with the task';
comment on column ai_task.negative_prompt is 'erase: row with the task';
comment on column ai_task.parameters is 'erase: row with the task';
comment on column ai_task.metadata is 'erase: row with the task';
comment on column ai_task.failure_code is 'erase: row with the task';
comment on column ai_task.support_code is 'erase: row with the task';

-- A person's history, newest first; filtered lists walk the same index.
create index ai_task_history_idx on ai_task (user_id, created_at desc, id desc) where deleted_at is null;
-- Who waits, and who holds a slot: both stay as small as the work in hand.
create index ai_task_waiting_idx on ai_task (provider, user_id, created_at, id) where status = 'queued' and admitted_at is null;
create index ai_task_admitted_idx on ai_task (provider, user_id, status) where admitted_at is not null and finished_at is null;
create index ai_task_deadline_idx on ai_task (deadline_at) where finished_at is null;

create table ai_image (
    id            uuid        not null primary key default gen_random_uuid(),
    task_id       uuid        not null references ai_task (id) on delete cascade,
    index         smallint    not null,
    status        text        not null default 'pending' check (status in ('pending', 'stored', 'blocked', 'failed')),
    key           text        not null unique,
    thumbnail_key text        not null unique,
    content_type  text,
    width         integer,
    height        integer,
    bytes         bigint,
    sha256        bytea,
    stored_at     timestamptz,
    unique (task_id, index)
);
comment on table ai_image is 'One image of a generation. The row is committed before its objects are put: an object without a row is an orphan.';
comment on column ai_image.status is 'erase: row with the task';
comment on column ai_image.key is 'erase: row with the task, after the object';
comment on column ai_image.thumbnail_key is 'erase: row with the task, after the object';
comment on column ai_image.content_type is 'erase: row with the task';
comment on column ai_image.sha256 is 'erase: row with the task';

create table provider_attempt (
    id           uuid        not null primary key default gen_random_uuid(),
    task_id      uuid        not null references ai_task (id) on delete cascade,
    n            smallint    not null,
    state        text        not null default 'intent' check (state in ('intent', 'unknown', 'submitted', 'done', 'abandoned')),
    endpoint     text        not null,
    request_id   text        unique,
    status_url   text,
    response_url text,
    cancel_url   text,
    callback     jsonb,
    error_code   text,
    created_at   timestamptz not null default now(),
    sent_at      timestamptz,
    callback_at  timestamptz,
    finished_at  timestamptz,
    erased_at    timestamptz,
    unique (task_id, n)
);
comment on table provider_attempt is 'One call of a provider for a generation. The row is committed before the call: a call without a row cannot be.';
comment on column provider_attempt.state is 'erase: row with the task';
comment on column provider_attempt.endpoint is 'erase: row with the task';
comment on column provider_attempt.request_id is 'erase: row with the task, after the payload at the provider';
comment on column provider_attempt.status_url is 'erase: row with the task';
comment on column provider_attempt.response_url is 'erase: row with the task';
comment on column provider_attempt.cancel_url is 'erase: row with the task';
comment on column provider_attempt.callback is 'erase: null when the attempt ends; row with the task';
comment on column provider_attempt.error_code is 'erase: row with the task';

create table generation_event (
    task_id     uuid        not null references ai_task (id) on delete cascade,
    sequence    bigint      not null,
    status      text        not null,
    image_index smallint,
    at          timestamptz not null default now(),
    primary key (task_id, sequence)
);
comment on table generation_event is 'Every change of a generation that a watcher sees, by status_sequence.';
comment on column generation_event.status is 'erase: row with the task';

create table generation_tombstone (
    task_id    uuid        not null primary key,
    user_id    uuid        not null,
    deleted_at timestamptz not null default now()
);
comment on table generation_tombstone is 'A deleted generation, so that its owner gets 410 rather than 404 for a while. Holds nothing but ids.';

-- +goose Down
drop table generation_tombstone, generation_event, provider_attempt, ai_image, ai_task, generation_user;
