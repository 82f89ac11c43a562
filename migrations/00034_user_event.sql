-- Owner: internal/generation.
-- One order of all changes of a user's generations, so that a watcher of all of them can go on where it stopped.
-- +goose Up
alter table generation_user
    add column event_sequence bigint not null default 0,
    add column event_floor    bigint not null default 0;
comment on column generation_user.event_sequence is 'Number of the user''s last event. Raised under the row''s lock, so no number is seen before a smaller one.';
comment on column generation_user.event_floor is 'Up to here, deletions have been forgotten: whoever saw no more than that begins anew.';

alter table generation_event
    add column user_id       uuid,
    add column user_sequence bigint;
alter table generation_tombstone add column user_sequence bigint;

insert into generation_tombstone (task_id, user_id, deleted_at)
select id, user_id, deleted_at from ai_task where deleted_at is not null on conflict do nothing;

with numbered as (
    select o.id, o.sequence, o.user_id, row_number() over (partition by o.user_id order by o.at, o.id, o.sequence) as n
    from (
        select e.task_id as id, e.sequence, t.user_id, e.at from generation_event e join ai_task t on t.id = e.task_id
        union all
        select task_id, null, user_id, deleted_at from generation_tombstone
    ) o
), events as (
    update generation_event e set user_id = n.user_id, user_sequence = n.n from numbered n where e.task_id = n.id and e.sequence = n.sequence
), tombstones as (
    update generation_tombstone d set user_sequence = n.n from numbered n where d.task_id = n.id and n.sequence is null
)
update generation_user u set event_sequence = n.last
from (select user_id, max(n) as last from numbered group by user_id) n where u.user_id = n.user_id;

alter table generation_event
    alter column user_id set not null,
    alter column user_sequence set not null,
    add constraint generation_event_user_key unique (user_id, user_sequence);
alter table generation_tombstone
    alter column user_sequence set not null,
    add constraint generation_tombstone_user_key unique (user_id, user_sequence);
comment on column generation_event.user_sequence is 'Number among all events and deletions of the user.';
comment on column generation_tombstone.user_sequence is 'Number among all events and deletions of the user.';

-- +goose Down
alter table generation_tombstone drop column user_sequence;
alter table generation_event drop column user_sequence, drop column user_id;
alter table generation_user drop column event_floor, drop column event_sequence;
