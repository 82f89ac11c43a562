-- Owner: internal/payments.
-- What people buy: checkouts, orders, subscriptions. A person is the random name that the ledger has of them too (billing_subject), so that
-- orders stay for seven years, balanced and nameless, when the account is gone. The vendor's ids are kept to find the same thing there.
-- +goose Up
create table payment_checkout (
    id           uuid        not null primary key,
    subject      uuid        not null,
    product_id   text        not null,
    plan         boolean     not null,
    currency     text        not null check (currency in ('EUR', 'USD')),
    amount       bigint      not null check (amount > 0),
    status       text        not null default 'creating' check (status in ('creating', 'open', 'completed', 'expired', 'failed')),
    vendor_id    text        unique,
    url          text,
    waiver       text,
    waived_at    timestamptz,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    ended_at     timestamptz,
    hints        integer     not null default 0,
    next_look_at timestamptz,
    check ((waiver is null) = (waived_at is null)),
    check ((status in ('creating', 'open')) = (ended_at is null)),
    check (url is null or status = 'open')
);
comment on table payment_checkout is 'A wish to buy one product: ours first, then the vendor''s.';
comment on column payment_checkout.product_id is 'erase: the id of a product; row seven years after it was made';
comment on column payment_checkout.currency is 'erase: a word from a closed list; row seven years after it was made';
comment on column payment_checkout.status is 'erase: a word from a closed list; row seven years after it was made';
comment on column payment_checkout.vendor_id is 'erase: the vendor''s id of the checkout; row seven years after it was made';
comment on column payment_checkout.url is 'erase: null when the checkout ends. Where the person pays: who has it may pay.';
comment on column payment_checkout.waiver is 'erase: our own words, to which the person said yes; row seven years after it was made';
comment on column payment_checkout.hints is 'How often a look was asked for: one that began before the last ask is done again.';
comment on column payment_checkout.next_look_at is 'When reconciliation looks next. Null: it does not.';
create index payment_checkout_subject_idx on payment_checkout (subject, created_at desc);
create unique index payment_checkout_plan_idx on payment_checkout (subject) where plan and status in ('creating', 'open');
create index payment_checkout_expiry_idx on payment_checkout (expires_at) where status in ('creating', 'open');
create index payment_checkout_look_idx on payment_checkout (next_look_at) where next_look_at is not null;

create table payment_subscription (
    id            uuid        not null primary key default gen_random_uuid(),
    vendor_id     text        not null unique,
    subject       uuid,
    checkout_id   uuid        references payment_checkout (id),
    product_id    text,
    status        text        not null default 'unknown' check (status in
        ('unknown', 'active', 'trialing', 'paused', 'past_due', 'unpaid', 'scheduled_cancel', 'expired', 'canceled')),
    customer_id   text,
    period_start  timestamptz,
    period_end    timestamptz,
    canceled_at   timestamptz,
    vendor_updated_at timestamptz,
    created_at    timestamptz not null default clock_timestamp(),
    looked_at     timestamptz,
    hints         integer     not null default 0,
    next_look_at  timestamptz default clock_timestamp() + interval '1 hour' -- its first look may come to nothing
);
comment on table payment_subscription is 'A subscription as the vendor had it when we last looked. Without a subject it is not known yet whose it is.';
comment on column payment_subscription.vendor_id is 'erase: the vendor''s id of the subscription; row seven years after its last payment';
comment on column payment_subscription.product_id is 'erase: the id of a product; row seven years after its last payment. Null: none of ours, so far.';
comment on column payment_subscription.status is 'erase: a word from a closed list; row seven years after its last payment';
comment on column payment_subscription.customer_id is 'erase: null with the account. The vendor''s id of the person.';
create index payment_subscription_subject_idx on payment_subscription (subject);
create index payment_subscription_look_idx on payment_subscription (next_look_at) where next_look_at is not null;

create table payment_change (
    id              uuid        not null primary key,
    subscription_id uuid        not null references payment_subscription (id),
    from_product    text        not null,
    to_product      text        not null,
    credits         bigint      not null check (credits >= 0),
    period_start    timestamptz not null,
    status          text        not null default 'asked' check (status in ('asked', 'done', 'refused')),
    created_at      timestamptz not null,
    ended_at        timestamptz
);
comment on table payment_change is 'A change of a subscription''s product that its owner asked for, and the credits they were told it gives at once.';
comment on column payment_change.from_product is 'erase: the id of a product; row with the subscription';
comment on column payment_change.to_product is 'erase: the id of a product; row with the subscription';
comment on column payment_change.status is 'erase: a word from a closed list; row with the subscription';
create unique index payment_change_open_idx on payment_change (subscription_id) where status = 'asked';
create index payment_change_subscription_idx on payment_change (subscription_id, created_at);

create table payment_order (
    id              uuid        not null primary key default gen_random_uuid(),
    subject         uuid,
    kind            text        not null check (kind in ('pack', 'plan')),
    product_id      text,
    checkout_id     uuid        references payment_checkout (id),
    subscription_id uuid        references payment_subscription (id),
    order_id        text,
    transaction_id  text        unique,
    customer_mask   text,
    email           text,
    currency        text        not null,
    net             bigint      not null,
    tax             bigint      not null,
    paid            bigint      not null,
    paid_at         timestamptz not null,
    period_start    timestamptz,
    period_end      timestamptz,
    change_id       uuid        references payment_change (id),
    credits_each    bigint      check (credits_each >= 0),
    months_given    integer     not null default 0 check (months_given >= 0),
    credits         bigint      not null default 0 check (credits >= 0),
    refunded        bigint      not null default 0 check (refunded >= 0),
    disputed        boolean     not null default false,
    refund_pending  boolean     not null default false,
    next_credits_at timestamptz,
    hints           integer     not null default 0,
    next_look_at    timestamptz,
    created_at      timestamptz not null default clock_timestamp(),
    check ((kind = 'plan') = (subscription_id is not null)),
    check ((period_start is null) = (period_end is null)),
    check (change_id is null or kind = 'plan')
);
comment on table payment_order is 'One payment: of a pack, or of one period of a subscription. Seven years, by the law on books.';
comment on column payment_order.kind is 'erase: a word from a closed list; row seven years after the payment';
comment on column payment_order.product_id is 'erase: the id of a product; row seven years after the payment. Null: none of ours, so far.';
comment on column payment_order.order_id is 'erase: the vendor''s id of the order; row seven years after the payment';
comment on column payment_order.transaction_id is 'erase: the vendor''s id of the payment; row seven years after the payment';
comment on column payment_order.customer_mask is 'erase: the last letters of the vendor''s id of the person; row seven years after the payment';
comment on column payment_order.email is 'erase: row seven years after the payment. The address that was given at the checkout, which may differ from the account''s.';
comment on column payment_order.currency is 'erase: a word from a closed list; row seven years after the payment';
comment on column payment_order.change_id is 'The change that it paid for, within a period that was paid before. Null: it is a pack or opens a period.';
comment on column payment_order.credits_each is 'What it gives: a pack and a change once, a period each month. Null: the product is not known yet.';
comment on column payment_order.credits is 'What it gave so far.';
comment on column payment_order.next_credits_at is 'When the next month of it gives credits. Null: none does.';
create unique index payment_order_pack_idx on payment_order (order_id) where kind = 'pack';
create index payment_order_subject_idx on payment_order (subject, paid_at desc);
create index payment_order_subscription_idx on payment_order (subscription_id, period_start);
create index payment_order_credits_idx on payment_order (next_credits_at) where next_credits_at is not null;
create index payment_order_look_idx on payment_order (next_look_at) where next_look_at is not null;

create table payment_plan (
    subject uuid        not null primary key,
    plan    text        not null,
    until   timestamptz
);
comment on table payment_plan is 'The plan that a person''s payments give them now; who pays for it takes turns on the row.';
comment on column payment_plan.plan is 'erase: the id of a plan; row seven years after the last payment';
comment on column payment_plan.until is 'When it must be thought of again. Null: it stays.';
create index payment_plan_until_idx on payment_plan (until) where until is not null;

create table payment_refund (
    id         uuid        not null primary key,
    order_id   uuid        not null references payment_order (id),
    amount     bigint      not null check (amount > 0),
    reason     text        not null check (reason in ('withdrawal', 'quality', 'not_delivered', 'mistake', 'goodwill', 'other')),
    actor      text        not null,
    status     text        not null default 'asked' check (status in ('asked', 'sent', 'done', 'refused', 'by_hand')),
    created_at timestamptz not null,
    ended_at   timestamptz
);
comment on table payment_refund is 'Money to give back. By hand: the vendor''s API cannot do it, a person does.';
comment on column payment_refund.reason is 'erase: a word from a closed list; row with the order';
comment on column payment_refund.actor is 'erase: an operator''s login, or who asks: owner; row with the order';
comment on column payment_refund.status is 'erase: a word from a closed list; row with the order';
create index payment_refund_order_idx on payment_refund (order_id);
create index payment_refund_status_idx on payment_refund (status) where status in ('asked', 'sent', 'by_hand');

create table payment_withdrawal (
    id            uuid        not null primary key,
    number        bigint      not null unique check (number > 0),
    order_id      uuid        not null unique references payment_order (id),
    subject       uuid        not null,
    refund_id     uuid        not null references payment_refund (id),
    amount        bigint      not null,
    credits       bigint      not null,
    content       text        not null,
    declared_at   timestamptz not null,
    previous_hash bytea       not null check (octet_length(previous_hash) = 32),
    hash          bytea       not null unique check (octet_length(hash) = 32)
);
comment on table payment_withdrawal is 'A withdrawal from a contract, as it was declared: each carries the hash of the one before, so that none is changed or missing unseen.';
comment on column payment_withdrawal.content is 'erase: row seven years after the payment. What was declared and acknowledged, in words of ours: ids, amounts and times.';
comment on column payment_withdrawal.previous_hash is 'erase: row seven years after the payment';
comment on column payment_withdrawal.hash is 'erase: row seven years after the payment. SHA-256 of the one before and of all of this.';

create table payment_difference (
    id         uuid        not null primary key default gen_random_uuid(),
    kind       text        not null check (kind ~ '^[a-z][a-z_]*$'),
    about      text        not null,
    status     text        not null check (status in ('repaired', 'open', 'settled')),
    credits    bigint      not null default 0,
    found_at   timestamptz not null,
    seen_at    timestamptz not null,
    settled_at timestamptz,
    actor      text,
    unique (kind, about)
);
comment on table payment_difference is 'Where our books and the vendor''s differed. Open: a person must look at it.';
comment on column payment_difference.kind is 'erase: a word from a closed list; row seven years after it was found';
comment on column payment_difference.about is 'erase: the id of ours or of the vendor''s that it is about; row seven years after it was found';
comment on column payment_difference.status is 'erase: a word from a closed list; row seven years after it was found';
comment on column payment_difference.actor is 'erase: an operator''s login; row seven years after it was found';
create index payment_difference_found_idx on payment_difference (found_at desc);
create index payment_difference_open_idx on payment_difference (found_at) where status = 'open';

create table payment_scan (
    name        text        not null primary key check (name in ('transactions', 'subscriptions', 'feed')),
    page        integer     not null default 1,
    whole       boolean     not null default true,
    began_at    timestamptz not null,
    finished_at timestamptz,
    pages       integer     not null default 0,
    items       bigint      not null default 0,
    newest      timestamptz
);
comment on table payment_scan is 'How far the vendor''s lists are read. Whole: to their end; else until all of a page is known and older than the newest of the scan before.';
comment on column payment_scan.name is 'erase: a word from a closed list; the rows stay';

grant select, insert, update on payment_checkout, payment_subscription, payment_order, payment_change, payment_refund to imagerun_api;
grant select on payment_plan, payment_difference to imagerun_api;
grant select, insert on payment_withdrawal to imagerun_api;
grant select, insert, update, delete on payment_checkout, payment_subscription, payment_order, payment_plan, payment_change, payment_refund,
    payment_difference, payment_scan to imagerun_worker;
grant select, delete on payment_withdrawal to imagerun_worker;
-- Whose a payment is, and what it gives them, is found and written where its job runs.
grant select on billing_subject to imagerun_worker;
grant insert on generation_user to imagerun_worker;
grant insert, update on credit_claw to imagerun_worker;
grant select on payment_checkout, payment_subscription, payment_order, payment_plan, payment_change, payment_refund, payment_withdrawal, payment_difference,
    payment_scan to imagerun_operator, imagerun_scheduler;
grant insert, update on payment_refund, payment_difference to imagerun_operator;
grant update on payment_checkout, payment_subscription, payment_order to imagerun_operator;

-- +goose Down
revoke insert on generation_user from imagerun_worker;
revoke insert, update on credit_claw from imagerun_worker;
revoke select on billing_subject from imagerun_worker;
drop table payment_scan, payment_difference, payment_withdrawal, payment_refund, payment_plan, payment_order, payment_change, payment_subscription, payment_checkout;
