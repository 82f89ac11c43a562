-- name: SubjectFind :one
select subject from billing_subject where user_id = @user_id;

-- name: SubjectCreate :exec
-- Whoever loses the race waits for the winner and makes nothing. It locks no row of the winner: that
-- would come before the balance, and everybody else locks the balance first.
with made as (
    insert into billing_subject (user_id, subject) values (@user_id, @subject)
    on conflict (user_id) do nothing returning subject
)
insert into user_credit (subject) select made.subject from made;

-- name: SubjectForget :execrows
delete from billing_subject where user_id = @user_id;

-- name: BalanceLock :one
-- Always first: everything else that a verb touches belongs to this row.
select * from user_credit where subject = @subject for update;

-- name: BalanceLockUser :one
select sqlc.embed(c), (b.welcomed_at is not null)::boolean as welcomed from billing_subject b join user_credit c on c.subject = b.subject where b.user_id = @user_id for update of c;

-- name: BalanceLockTask :one
select c.* from credit_hold h join user_credit c on c.subject = h.subject where h.task_id = @task_id for update of c;

-- name: BalanceRead :one
-- What has reached its expiry is not to be had, whether or not the job has booked it.
select (c.available - coalesce((
    select sum(g.remaining) from credit_grant g where g.subject = c.subject and g.remaining > 0 and g.expires_at <= sqlc.arg(now)::timestamptz
), 0))::bigint as available, c.held, c.debt
from billing_subject b join user_credit c on c.subject = b.subject where b.user_id = @user_id;

-- name: Booked :one
select exists (select from ledger_txn where business_key = @business_key);

-- name: GrantsLive :many
-- In the order in which they are spent.
select * from credit_grant where subject = @subject and (remaining > 0 or held > 0)
order by priority, expires_at nulls last, created_at, id;

-- name: GrantsLiveUser :many
-- The same of a user. A statement of its own, after the lock: it sees what whoever had the lock before has written.
select g.* from billing_subject b join credit_grant g on g.subject = b.subject
where b.user_id = @user_id and (g.remaining > 0 or g.held > 0)
order by g.priority, g.expires_at nulls last, g.created_at, g.id;

-- name: GrantByReference :one
select * from credit_grant where reference = @reference;

-- name: GrantsRead :many
select g.* from billing_subject b join credit_grant g on g.subject = b.subject
where b.user_id = @user_id and (g.remaining > 0 or g.held > 0) and (g.held > 0 or g.expires_at is null or g.expires_at > sqlc.arg(now)::timestamptz)
order by g.priority, g.expires_at nulls last, g.created_at, g.id;

-- name: SubjectsDue :many
select distinct subject from (
    select g.subject from credit_grant g where g.remaining > 0 and g.expires_at <= sqlc.arg(now)::timestamptz order by g.expires_at limit sqlc.arg(most)
) due;

-- name: HoldFind :one
select * from credit_hold where task_id = @task_id;

-- name: HoldsRead :many
select task_id, amount, captured, released, refunded, closed_at from credit_hold where task_id = any(@task_ids::uuid[]);

-- name: HoldGrants :many
select * from credit_grant where id in (select grant_id from credit_hold_allocation where task_id = @task_id);

-- name: Allocations :many
select * from credit_hold_allocation where task_id = @task_id order by n;

-- name: HoldsOverdue :many
select task_id from credit_hold where closed_at is null and auto_refund_at <= sqlc.arg(now)::timestamptz order by auto_refund_at limit sqlc.arg(most);

-- name: HoldInsert :exec
insert into credit_hold (task_id, subject, amount, auto_refund_at, created_at)
values (@task_id, @subject, @amount, @auto_refund_at, @created_at);

-- name: AllocationsInsert :exec
insert into credit_hold_allocation (task_id, n, grant_id, amount)
select @task_id, unnest(@n::smallint[]), unnest(@grants::uuid[]), unnest(@amounts::bigint[]);

-- name: HoldUpdate :exec
update credit_hold set captured = @captured, released = @released, refunded = @refunded, closed_at = @closed_at
where task_id = @task_id;

-- name: AllocationsUpdate :exec
update credit_hold_allocation a set captured = v.captured, released = v.released
from (select unnest(@n::smallint[]) as n, unnest(@captured::bigint[]) as captured, unnest(@released::bigint[]) as released) v
where a.task_id = @task_id and a.n = v.n;

-- name: GrantInsert :exec
insert into credit_grant (id, subject, source, reference, priority, amount, remaining, clawed, created_at, expires_at, origin_expires_at)
values (@id, @subject, @source, @reference, @priority, @amount, @amount, 0, @created_at, @expires_at, @origin_expires_at);

-- name: ClawFind :one
select credits from credit_claw where reference = @reference;

-- name: ClawRaise :exec
insert into credit_claw (reference, subject, credits) values (@reference, @subject, @credits)
on conflict (reference) do update set credits = greatest(credit_claw.credits, excluded.credits);

-- name: Book :exec
-- What a verb does to the ledger is one statement: its entries, their postings, the grants as they
-- are afterwards, and the balance. The grants are the subject's, which is said so that Postgres finds few
-- of them however long the arrays are: by the ids alone it planned the statement anew each time.
with entry as (
    insert into ledger_txn (subject, sequence, kind, source, business_key, task_id, image_index, actor, reason, available, held, debt, created_at)
    select @subject, t.sequence, t.kind, nullif(t.source, ''), t.business_key, nullif(t.task_id, '00000000-0000-0000-0000-000000000000'), nullif(t.image_index, -1), t.actor,
        nullif(t.reason, ''), t.available, t.held, t.debt, @created_at
    from (
        select unnest(@sequences::bigint[]) as sequence, unnest(@kinds::text[]) as kind, unnest(@sources::text[]) as source,
            unnest(@business_keys::text[]) as business_key, unnest(@task_ids::uuid[]) as task_id,
            unnest(@image_indexes::smallint[]) as image_index, unnest(@actors::text[]) as actor, unnest(@reasons::text[]) as reason,
            unnest(@availables::bigint[]) as available, unnest(@helds::bigint[]) as held, unnest(@debts::bigint[]) as debt
    ) t
), posting as (
    insert into ledger_posting (subject, sequence, account, grant_id, amount)
    select @subject, p.sequence, p.account, nullif(p.grant_id, '00000000-0000-0000-0000-000000000000'), p.amount
    from (
        select unnest(@posting_sequences::bigint[]) as sequence, unnest(@accounts::text[]) as account,
            unnest(@posting_grants::uuid[]) as grant_id, unnest(@amounts::bigint[]) as amount
    ) p
), spent as (
    update credit_grant g set remaining = v.remaining, held = v.held, captured = v.captured, expired = v.expired,
        voided = v.voided, compensated = v.compensated, clawed = v.clawed, charged = v.charged
    from (
        select unnest(@grants::uuid[]) as id, unnest(@remaining::bigint[]) as remaining, unnest(@grant_helds::bigint[]) as held,
            unnest(@captured::bigint[]) as captured, unnest(@expired::bigint[]) as expired, unnest(@voided::bigint[]) as voided,
            unnest(@compensated::bigint[]) as compensated, unnest(@clawed::bigint[]) as clawed, unnest(@charged::bigint[]) as charged
    ) v where g.id = v.id and g.subject = @subject
)
update user_credit c set version = sqlc.arg(version), available = sqlc.arg(available), held = sqlc.arg(held), debt = sqlc.arg(debt)
where c.subject = @subject;

-- name: WelcomeDue :one
-- No row: that was settled before. Without digests there is no verified address yet. Releases before marked addresses,
-- not mailboxes.
select verified_mailbox_digest(one.user_id) as mailbox, verified_address_digest(one.user_id) as address
from (select sqlc.arg(user_id)::uuid as user_id) one left join billing_subject b on b.user_id = one.user_id
where b.welcomed_at is null;

-- name: WelcomeSettle :exec
update billing_subject set welcomed_at = @at where user_id = @user_id;

-- name: SignupOnce :execrows
insert into signup_tombstone (address_mac) select sqlc.arg(address_mac)::bytea
where not exists (select from signup_tombstone where address_mac = any (sqlc.arg(earlier)::bytea[]))
on conflict do nothing;

-- name: EntriesRead :many
-- Newest first; before is the sequence where the last page ended.
select t.*, coalesce(t.available - p.available, t.available)::bigint as available_change,
    coalesce(t.held - p.held, t.held)::bigint as held_change, coalesce(t.debt - p.debt, t.debt)::bigint as debt_change,
    g.expires_at as anew_until
from billing_subject b join ledger_txn t on t.subject = b.subject
left join ledger_txn p on p.subject = t.subject and p.sequence = t.sequence - 1
left join credit_grant g on t.kind = 'compensation' and g.reference = t.business_key
where b.user_id = @user_id and t.sequence < sqlc.arg(before)
order by t.sequence desc limit sqlc.arg(most);

-- name: EntriesOfTask :many
select t.*, coalesce(t.available - p.available, t.available)::bigint as available_change,
    coalesce(t.held - p.held, t.held)::bigint as held_change, coalesce(t.debt - p.debt, t.debt)::bigint as debt_change,
    g.expires_at as anew_until
from ledger_txn t left join ledger_txn p on p.subject = t.subject and p.sequence = t.sequence - 1
left join credit_grant g on t.kind = 'compensation' and g.reference = t.business_key
where t.task_id = @task_id order by t.sequence;

-- name: EntryByKey :one
select t.*, coalesce(t.available - p.available, t.available)::bigint as available_change,
    coalesce(t.held - p.held, t.held)::bigint as held_change, coalesce(t.debt - p.debt, t.debt)::bigint as debt_change,
    g.expires_at as anew_until
from ledger_txn t left join ledger_txn p on p.subject = t.subject and p.sequence = t.sequence - 1
left join credit_grant g on t.kind = 'compensation' and g.reference = t.business_key
where t.business_key = @business_key;

-- name: Holder :one
select b.user_id from credit_hold h left join billing_subject b on b.subject = h.subject where h.task_id = @task_id;

-- name: HoldsLate :one
-- For the gauges. The index of open holds has what is due in front.
select count(*) as holds, coalesce(min(auto_refund_at), sqlc.arg(now))::timestamptz as first from credit_hold
where closed_at is null and auto_refund_at <= sqlc.arg(now)::timestamptz;

-- name: Owed :one
-- What we owe to everybody together, and they to us: one row of each who ever had credits.
select coalesce(sum(available), 0)::bigint as available, coalesce(sum(held), 0)::bigint as held, coalesce(sum(debt), 0)::bigint as debt
from user_credit;

-- name: AuditRecord :exec
insert into credit_audit (at, breaches) values (@at, @breaches);

-- name: AuditForget :execrows
delete from credit_audit where at in (select a.at from credit_audit a where a.at < @before order by a.at limit @most);

-- name: AuditEntries :one
-- How many entries there are; each subject counts its own.
select coalesce(sum(version), 0)::bigint from user_credit;

-- name: AuditSpan :one
-- The end of the range of subjects that begins with one and has about so many entries, and how many it has. With
-- nothing behind it, it goes on to the end of all ids.
with next as (
    select c.subject, c.version, sum(c.version + 1) over (order by c.subject) - c.version - 1 as before
    from user_credit c where c.subject >= sqlc.arg(first) order by c.subject limit sqlc.arg(size)::integer
)
select (case when count(*) < sqlc.arg(size)::integer and count(*) = (select count(*) from next) then 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        else (array_agg(n.subject order by n.subject desc))[1] end)::uuid as last, coalesce(sum(n.version), 0)::bigint as entries
from next n where n.before < sqlc.arg(size)::integer;

-- name: AuditReplay :many
-- What happened to what is available, entry by entry, from behind one on. An entry without any such posting
-- has a row, too. Each entry's are looked up by their key (which offset 0 insists on): Postgres would rather read
-- all there are, for each page anew.
select t.subject, t.sequence, t.kind, t.task_id, t.created_at, p.grant_id, coalesce(p.amount, 0)::bigint as amount, g.priority, g.expires_at, g.created_at as granted_at
from (
    select e.subject, e.sequence, e.kind, e.task_id, e.created_at from ledger_txn e
    where (e.subject, e.sequence) > (sqlc.arg(subject)::uuid, sqlc.arg(sequence)::bigint) and e.subject <= sqlc.arg(last)::uuid
    order by e.subject, e.sequence limit sqlc.arg(most)
) t
left join lateral (
    select o.grant_id, o.amount from ledger_posting o where o.subject = t.subject and o.sequence = t.sequence and o.account = 'available' offset 0
) p on true
left join credit_grant g on g.id = p.grant_id
order by t.subject, t.sequence;

-- name: AuditLast :one
select * from credit_audit order by at desc limit 1;

-- name: SubjectUser :one
select user_id from billing_subject where subject = @subject;

-- name: GrantsUnspent :many
select reference, amount, (remaining + expired - compensated)::bigint as unspent from credit_grant
where subject = @subject and reference = any(@grant_references::text[]) order by reference;

-- name: ClawedOf :one
-- What was taken back of grants, as far as they came.
select coalesce(sum(least(c.credits, g.amount)), 0)::bigint from credit_claw c join credit_grant g on g.reference = c.reference
where c.reference = any(@grant_references::text[]);
