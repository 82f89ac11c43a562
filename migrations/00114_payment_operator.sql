-- Owner: internal/payments.
-- Operators find what a person paid by an address, or by what a webhook said, and read neither: no address, no page where one pays, and no id
-- by which the vendor knows a person.
-- +goose Up
revoke select on payment_checkout, payment_subscription, payment_order from imagerun_operator;
grant select (id, subject, product_id, plan, currency, amount, status, vendor_id, waived_at, created_at, expires_at, ended_at, hints, next_look_at)
    on payment_checkout to imagerun_operator;
grant select (id, vendor_id, subject, checkout_id, product_id, status, period_start, period_end, canceled_at, vendor_updated_at, created_at, looked_at, hints,
    next_look_at) on payment_subscription to imagerun_operator;
grant select (id, subject, kind, product_id, checkout_id, subscription_id, order_id, transaction_id, customer_mask, currency, net, tax, paid, paid_at,
    period_start, period_end, change_id, credits_each, months_given, credits, refunded, disputed, refund_pending, next_credits_at, hints, next_look_at,
    created_at) on payment_order to imagerun_operator;

-- +goose StatementBegin
create function payment_subjects_of_address(digest bytea) returns setof uuid
    language sql stable security definer set search_path = pg_catalog
as $$
    select o.subject from public.payment_order o
    where o.subject is not null and sha256(convert_to(lower(btrim(o.email)), 'UTF8')) = digest
    union
    select s.subject from public.billing_subject s join auth."user" u on u."id" = s.user_id
    where sha256(convert_to(lower(btrim(u."email")), 'UTF8')) = digest
$$;
create function payment_events_about(names text[], most integer)
    returns table (id uuid, event_type text, state text, code text, received_at timestamptz)
    language sql stable security definer set search_path = pg_catalog
as $$
    select e.id, e.event_type, e.state, e.code, e.received_at from public.inbox_event e
    where e.source = 'creem' and exists (
        select from unnest(names) as n
        where n ~ '^(ch|ord|sub|tran)_[A-Za-z0-9_-]{6,100}$' and position(convert_to('"' || n || '"', 'UTF8') in e.body) > 0
    )
    order by e.received_at desc, e.id limit most
$$;
-- +goose StatementEnd
comment on function payment_subjects_of_address is 'Who paid with an address, or has an account with it: by the SHA-256 of the address, trimmed and in small letters.';
comment on function payment_events_about is 'The webhooks that name one of the vendor''s ids and whose body is still there, newest first. No other text is looked for.';
revoke all on function payment_subjects_of_address(bytea) from public;
revoke all on function payment_events_about(text[], integer) from public;
grant execute on function payment_subjects_of_address(bytea), payment_events_about(text[], integer) to imagerun_operator, imagerun_app;

-- +goose Down
drop function payment_events_about;
drop function payment_subjects_of_address;
revoke select (id, subject, product_id, plan, currency, amount, status, vendor_id, waived_at, created_at, expires_at, ended_at, hints, next_look_at)
    on payment_checkout from imagerun_operator;
revoke select (id, vendor_id, subject, checkout_id, product_id, status, period_start, period_end, canceled_at, vendor_updated_at, created_at, looked_at, hints,
    next_look_at) on payment_subscription from imagerun_operator;
revoke select (id, subject, kind, product_id, checkout_id, subscription_id, order_id, transaction_id, customer_mask, currency, net, tax, paid, paid_at,
    period_start, period_end, change_id, credits_each, months_given, credits, refunded, disputed, refund_pending, next_credits_at, hints, next_look_at,
    created_at) on payment_order from imagerun_operator;
grant select on payment_checkout, payment_subscription, payment_order to imagerun_operator;
