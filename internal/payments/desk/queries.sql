-- name: DeskFind :many
-- What an id means: ours, or the vendor's. A support code is many ids.
select 'checkout'::text as kind, c.id from payment_checkout c where c.id between @first and @last or c.vendor_id = sqlc.arg(vendor_id)::text
union all select 'subscription', s.id from payment_subscription s where s.id between @first and @last or s.vendor_id = sqlc.arg(vendor_id)::text
union all select 'order', o.id from payment_order o
    where o.id between @first and @last or o.order_id = sqlc.arg(vendor_id)::text or o.transaction_id = sqlc.arg(vendor_id)::text
union all select 'order', r.order_id from payment_refund r where r.id between @first and @last
union all select 'order', w.order_id from payment_withdrawal w where w.id between @first and @last;

-- name: DeskFindOfAddress :many
-- All that the people of an address bought, and what they began to buy of late.
with subjects as materialized (select payment_subjects_of_address(@digest) as subject)
select 'subscription'::text as kind, s.id from payment_subscription s where s.subject in (select subject from subjects)
union all select 'order', o.id from payment_order o where o.subject in (select subject from subjects)
union all select 'checkout', c.id from payment_checkout c where c.subject in (select subject from subjects) and c.created_at > @since;

-- name: DeskOrders :many
select o.id, o.subject, o.kind, o.product_id, o.checkout_id, o.subscription_id, o.order_id, o.transaction_id, o.customer_mask, o.currency, o.net, o.tax,
    o.paid, o.paid_at, o.period_start, o.period_end, o.change_id, o.credits_each, o.months_given, o.credits, o.refunded, o.disputed, o.refund_pending,
    o.next_credits_at, o.next_look_at, s.vendor_id as subscription_vendor_id
from payment_order o left join payment_subscription s on s.id = o.subscription_id
where o.id = any(@ids::uuid[]) or o.checkout_id = any(@checkouts::uuid[]) or s.id = any(@subscriptions::uuid[]) or s.checkout_id = any(@checkouts::uuid[])
order by o.paid_at, o.id;

-- name: DeskSubscriptions :many
select id, vendor_id, subject, checkout_id, product_id, status, period_start, period_end, canceled_at, looked_at, next_look_at
from payment_subscription where id = any(@ids::uuid[]) or checkout_id = any(@checkouts::uuid[]) order by created_at, id;

-- name: DeskCheckouts :many
select id, subject, product_id, currency, amount, status, vendor_id, waived_at, created_at, expires_at, ended_at, next_look_at
from payment_checkout where id = any(@ids::uuid[]) order by created_at, id;

-- name: DeskChanges :many
select id, subscription_id, from_product, to_product, credits, status, created_at from payment_change
where subscription_id = any(@subscriptions::uuid[]) order by created_at, id;

-- name: DeskRefunds :many
select id, order_id, amount, reason, actor, status, created_at, sent_at, ended_at from payment_refund
where order_id = any(@orders::uuid[]) order by created_at, id;

-- name: DeskWithdrawals :many
select id, number, order_id, refund_id, amount, credits, declared_at from payment_withdrawal where order_id = any(@orders::uuid[]) order by number;

-- name: DeskDifferencesAbout :many
-- What a difference is about begins with an id; some go on with what was seen.
select kind, about, status, credits, found_at, seen_at, settled_at, actor from payment_difference
where split_part(about, ':', 1) = any(@names::text[]) order by found_at, kind, about;

-- name: DeskDifferences :many
select kind, about, status, credits, found_at, seen_at, settled_at, actor from payment_difference
where seen_at >= @since and (status = 'open' or not sqlc.arg(open)::boolean) order by found_at desc, kind, about limit @most;

-- name: DeskDifferencesOpen :one
select count(*) from payment_difference where status = 'open';

-- name: DeskDifferenceLock :one
select kind, about, status, credits, found_at, seen_at, settled_at, actor from payment_difference where kind = @kind and about = @about for no key update;

-- name: DeskDifferenceSettle :exec
update payment_difference set status = 'settled', settled_at = sqlc.arg(now)::timestamptz, actor = sqlc.arg(actor)::text
where kind = @kind and about = @about and status = 'open';

-- name: DeskOrderHint :one
update payment_order set hints = hints + 1 where id = @id returning subscription_id;

-- name: DeskSubscriptionHint :exec
update payment_subscription set hints = hints + 1 where id = @id;

-- name: DeskCheckoutHint :exec
update payment_checkout set hints = hints + 1 where id = @id;

-- name: DeskScans :many
select name, page, whole, began_at, finished_at, pages, items from payment_scan order by name;
