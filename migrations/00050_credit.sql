-- Owner: internal/credits.
-- The ledger: double entry, append only, whole credits. The database itself refuses an entry that
-- does not balance, a chain with a gap, and a balance that is not what the entries come to.
-- +goose Up
create table user_credit (
    subject   uuid   not null primary key,
    version   bigint not null default 0 check (version >= 0),
    available bigint not null default 0 check (available >= 0),
    held      bigint not null default 0 check (held >= 0),
    debt      bigint not null default 0 check (debt >= 0),
    check (available = 0 or debt = 0)
);
comment on table user_credit is 'What somebody has. Locked first by whoever changes it. version is the sequence of the last entry.';

create table billing_subject (
    user_id uuid not null primary key, -- auth.user; no foreign key: erasure is ours, step by step
    subject uuid not null unique references user_credit (subject)
);
comment on table billing_subject is 'Whose money it is, under a random name. Deleting the row makes seven years of records nameless, and leaves them balanced.';

create table signup_tombstone (
    address_mac bytea not null primary key check (length(address_mac) = 32)
);
comment on table signup_tombstone is 'Addresses that had their welcome credits. No time and no subject: nothing leads from here to an account.';
comment on column signup_tombstone.address_mac is 'erase: never; HMAC-SHA-256 of an address under a key that is not in the database, so that welcome credits come once';

create table credit_grant (
    id          uuid        not null primary key default gen_random_uuid(),
    subject     uuid        not null references user_credit (subject),
    source      text        not null check (source in ('signup', 'promotion', 'subscription', 'pack', 'operator', 'compensation', 'refund')),
    reference   text        not null unique,
    priority    smallint    not null,
    amount      bigint      not null check (amount > 0),
    remaining   bigint      not null check (remaining >= 0),
    held        bigint      not null default 0 check (held >= 0),
    captured    bigint      not null default 0 check (captured >= 0),
    expired     bigint      not null default 0 check (expired >= 0),
    voided      bigint      not null default 0 check (voided >= 0),
    compensated bigint      not null default 0 check (compensated between 0 and expired),
    clawed      bigint      not null default 0 check (clawed between 0 and amount),
    charged     bigint      not null default 0 check (charged >= 0),
    created_at  timestamptz not null,
    expires_at  timestamptz check (expires_at > created_at),
    check (amount = remaining + held + captured + expired + voided),
    check (voided + charged <= clawed),
    -- What was taken back by a payment's refund cannot be spent.
    check (remaining = 0 or voided + charged >= clawed - (expired - compensated))
);
comment on table credit_grant is 'Credits that came at once, and what became of each of them. compensated: the part of expired that was given anew. clawed: what a refund of the payment takes back; charged: the part of it that became debt.';
comment on column credit_grant.source is 'erase: holds no personal value; row seven years after the payment';
comment on column credit_grant.reference is 'erase: ids alone; row seven years after the payment';
create index credit_grant_live_idx on credit_grant (subject, priority, expires_at, created_at, id) where remaining > 0 or held > 0;
create index credit_grant_subject_idx on credit_grant (subject);
create index credit_grant_due_idx on credit_grant (expires_at) where remaining > 0;

create table credit_claw (
    reference text   not null primary key,
    subject   uuid   not null references user_credit (subject),
    credits   bigint not null check (credits > 0)
);
comment on table credit_claw is 'How much of a grant is taken back in all, by the grant''s reference: it may be known before the grant is.';
comment on column credit_claw.reference is 'erase: ids alone; row seven years after the payment';

create table credit_hold (
    task_id        uuid        not null primary key, -- ai_task; no foreign key: the task may go first
    subject        uuid        not null references user_credit (subject),
    amount         bigint      not null check (amount > 0),
    captured       bigint      not null default 0 check (captured >= 0),
    released       bigint      not null default 0 check (released >= 0),
    refunded       bigint      not null default 0 check (refunded between 0 and captured),
    auto_refund_at timestamptz not null,
    created_at     timestamptz not null,
    closed_at      timestamptz,
    check (captured + released <= amount),
    check (closed_at is null or captured + released = amount),
    check (closed_at is not null or released = 0)
);
comment on table credit_hold is 'What is set aside for a generation. Past auto_refund_at an open one is the reaper''s.';
create index credit_hold_subject_idx on credit_hold (subject);
create index credit_hold_open_idx on credit_hold (auto_refund_at) where closed_at is null;

create table credit_hold_allocation (
    task_id  uuid     not null references credit_hold (task_id),
    n        smallint not null,
    grant_id uuid     not null references credit_grant (id),
    amount   bigint   not null check (amount > 0),
    captured bigint   not null default 0 check (captured >= 0),
    released bigint   not null default 0 check (released >= 0),
    primary key (task_id, n),
    unique (task_id, grant_id),
    check (captured + released <= amount)
);
comment on table credit_hold_allocation is 'Which grants a hold stands on, in the order in which they are captured.';

create table ledger_txn (
    subject      uuid        not null references user_credit (subject),
    sequence     bigint      not null check (sequence > 0),
    kind         text        not null check (kind in
        ('grant', 'hold', 'capture', 'release', 'expire', 'compensation', 'claw', 'void', 'charge', 'repay', 'refund')),
    source       text,
    business_key text        not null unique,
    task_id      uuid,
    image_index  smallint,
    actor        text        not null,
    reason       text        check (reason in ('quality', 'not_delivered', 'mistake', 'goodwill', 'dispute', 'payment_refunded', 'other')),
    available    bigint      not null,
    held         bigint      not null,
    debt         bigint      not null,
    created_at   timestamptz not null,
    primary key (subject, sequence)
);
comment on table ledger_txn is 'One entry of somebody''s ledger, and what they have after it. Never changed: a correction is another entry.';
comment on column ledger_txn.kind is 'erase: holds no personal value; row seven years after the payment';
comment on column ledger_txn.source is 'erase: holds no personal value; row seven years after the payment';
comment on column ledger_txn.business_key is 'erase: ids alone; row seven years after the payment';
comment on column ledger_txn.actor is 'erase: system, or the login of one of our own operators; row seven years after the payment';
comment on column ledger_txn.reason is 'erase: a word of a closed list; row seven years after the payment';
create index ledger_txn_task_idx on ledger_txn (task_id) where task_id is not null;

create table ledger_posting (
    subject  uuid   not null,
    sequence bigint not null,
    account  text   not null check (account in
        ('available', 'held', 'debt', 'issued_paid', 'issued_free', 'revenue', 'expired', 'taken_back')),
    grant_id uuid   references credit_grant (id),
    amount   bigint not null check (amount <> 0),
    foreign key (subject, sequence) references ledger_txn (subject, sequence),
    unique nulls not distinct (subject, sequence, account, grant_id)
);
comment on table ledger_posting is 'A movement on one account. available, held and debt are the subject''s own (debt is negative there); the others are ours.';
comment on column ledger_posting.account is 'erase: holds no personal value; row seven years after the payment';
create index ledger_posting_grant_idx on ledger_posting (grant_id);

-- +goose StatementBegin
create function ledger_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append only: % of %', tg_op, tg_table_name using errcode = 'integrity_constraint_violation';
end
$$;
-- +goose StatementEnd
create trigger ledger_txn_append_only before update or delete or truncate on ledger_txn execute function ledger_refuse();
create trigger ledger_posting_append_only before update or delete or truncate on ledger_posting execute function ledger_refuse();

-- +goose StatementBegin
create function ledger_check() returns trigger language plpgsql as $$
declare
    total bigint; a bigint; h bigint; d bigint;
    this record; before record;
begin
    select coalesce(sum(amount), 0),
           coalesce(sum(amount) filter (where account = 'available'), 0),
           coalesce(sum(amount) filter (where account = 'held'), 0),
           coalesce(-sum(amount) filter (where account = 'debt'), 0)
      into total, a, h, d
      from ledger_posting where subject = new.subject and sequence = new.sequence;
    select available, held, debt into this from ledger_txn where subject = new.subject and sequence = new.sequence;
    select available, held, debt into before from ledger_txn where subject = new.subject and sequence = new.sequence - 1;
    if not found and new.sequence > 1 then
        raise exception 'ledger: an entry before % of % is missing', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    if total <> 0 then
        raise exception 'ledger: entry % of % does not balance', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    if this.available <> coalesce(before.available, 0) + a or this.held <> coalesce(before.held, 0) + h
       or this.debt <> coalesce(before.debt, 0) + d then
        raise exception 'ledger: entry % of % does not follow from the one before', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    perform from user_credit where subject = new.subject and version >= new.sequence;
    if not found then
        raise exception 'ledger: the balance of % does not know of entry %', new.subject, new.sequence using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;
-- +goose StatementEnd
create constraint trigger ledger_txn_follows after insert on ledger_txn
    deferrable initially deferred for each row execute function ledger_check();
create constraint trigger ledger_posting_follows after insert on ledger_posting
    deferrable initially deferred for each row execute function ledger_check();

-- +goose StatementBegin
create function user_credit_check() returns trigger language plpgsql as $$
begin
    perform from user_credit c
      left join ledger_txn t on t.subject = c.subject and t.sequence = c.version
     where c.subject = new.subject and (c.available, c.held, c.debt) is distinct from (coalesce(t.available, 0), coalesce(t.held, 0), coalesce(t.debt, 0));
    if found then
        raise exception 'ledger: the balance of % is not what its entries come to', new.subject using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;
-- +goose StatementEnd
create constraint trigger user_credit_follows after insert or update on user_credit
    deferrable initially deferred for each row execute function user_credit_check();

revoke update, delete on ledger_txn, ledger_posting, signup_tombstone from imagerun_app;
revoke delete on user_credit, credit_grant, credit_claw, credit_hold, credit_hold_allocation from imagerun_app;

-- +goose Down
drop table ledger_posting, ledger_txn, credit_hold_allocation, credit_hold, credit_claw, credit_grant, signup_tombstone, billing_subject, user_credit;
drop function ledger_check, user_credit_check, ledger_refuse;
