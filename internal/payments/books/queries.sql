-- name: CheckoutRead :one
select id, subject, product_id, status, vendor_id, created_at, expires_at, hints from payment_checkout where id = @id;

-- name: CheckoutLock :one
select status, hints from payment_checkout where id = @id for no key update;

-- name: CheckoutEnd :exec
update payment_checkout set status = @status, ended_at = @now, url = null where id = @id;

-- name: CheckoutLookAgain :exec
update payment_checkout set next_look_at = @next_look_at where id = @id;

-- name: CheckoutHint :one
-- No row: it is none of ours.
update payment_checkout set hints = hints + 1 where id = @id or vendor_id = @vendor_id returning id;

-- name: CheckoutsStale :many
-- Those whose beginning was never answered, and those that are open for too long.
select id from payment_checkout where status in ('creating', 'open') and expires_at <= @now order by expires_at limit @most;

-- name: CheckoutExpire :exec
update payment_checkout set status = case when vendor_id is null then 'failed' else 'expired' end, ended_at = @now, url = null
where id = @id and status in ('creating', 'open');

-- name: SubscriptionHint :one
-- It is known from now on. Whose it is, a hint may say that knows the checkout.
insert into payment_subscription (vendor_id, checkout_id, subject)
values (@vendor_id, sqlc.narg(checkout_id), (select c.subject from payment_checkout c where c.id = sqlc.narg(checkout_id)))
on conflict (vendor_id) do update set hints = payment_subscription.hints + 1,
    checkout_id = coalesce(payment_subscription.checkout_id, excluded.checkout_id),
    subject = coalesce(payment_subscription.subject, excluded.subject)
returning id;

-- name: SubscriptionRead :one
select id, vendor_id, subject, checkout_id, product_id, status, customer_id, period_start, period_end, vendor_updated_at, hints
from payment_subscription where id = @id;

-- name: SubscriptionLock :one
select id, vendor_id, subject, checkout_id, product_id, status, customer_id, period_start, period_end, vendor_updated_at, hints
from payment_subscription where id = @id for no key update;

-- name: SubscriptionUpdate :exec
-- An older state than the known one, and any state after the final one, change nothing.
update payment_subscription s set
    status = case when s.status = 'canceled' or s.vendor_updated_at > @vendor_updated_at then s.status else @status end,
    product_id = case when s.vendor_updated_at > @vendor_updated_at then s.product_id else coalesce(sqlc.narg(product_id), s.product_id) end,
    period_start = case when s.vendor_updated_at > @vendor_updated_at then s.period_start else sqlc.narg(period_start) end,
    period_end = case when s.vendor_updated_at > @vendor_updated_at then s.period_end else sqlc.narg(period_end) end,
    canceled_at = coalesce(s.canceled_at, sqlc.narg(canceled_at)),
    vendor_updated_at = greatest(s.vendor_updated_at, @vendor_updated_at),
    customer_id = coalesce(s.customer_id, sqlc.narg(customer_id)),
    checkout_id = coalesce(s.checkout_id, (select c.id from payment_checkout c where c.id = sqlc.narg(checkout_id))),
    subject = coalesce(s.subject, (select c.subject from payment_checkout c where c.id = coalesce(s.checkout_id, sqlc.narg(checkout_id)))),
    looked_at = @looked_at, next_look_at = sqlc.narg(next_look_at)
where s.id = @id;

-- name: SubscriptionLookAgain :exec
update payment_subscription set looked_at = @looked_at, next_look_at = sqlc.narg(next_look_at) where id = @id;

-- name: OrderHint :one
-- Of a pack; no row: nothing is known of it.
update payment_order set hints = hints + 1, refund_pending = refund_pending or @refund_pending
where kind = 'pack' and (order_id = @order_id or transaction_id = @transaction_id) returning id;

-- name: OrderRefundPending :exec
update payment_order set refund_pending = true where transaction_id = @transaction_id and kind = 'plan';

-- name: OrderRead :one
select id, order_id, transaction_id, checkout_id, subscription_id, hints from payment_order where id = @id;

-- name: OrderLock :one
select sqlc.embed(o) from payment_order o where o.id = @id for no key update;

-- name: OrderPack :one
-- The payment of a pack, as far as it is known. What is refunded only grows.
insert into payment_order (subject, kind, product_id, checkout_id, order_id, transaction_id, customer_mask, email, currency, net, tax, paid, paid_at, credits_each)
values (sqlc.narg(subject), 'pack', sqlc.narg(product_id), sqlc.narg(checkout_id), @order_id, sqlc.narg(transaction_id), sqlc.narg(customer_mask), @email,
    @currency, @net, @tax, @paid, @paid_at, sqlc.narg(credits_each))
on conflict (order_id) where kind = 'pack' do update set
    subject = coalesce(payment_order.subject, excluded.subject), product_id = coalesce(payment_order.product_id, excluded.product_id),
    checkout_id = coalesce(payment_order.checkout_id, excluded.checkout_id), transaction_id = coalesce(payment_order.transaction_id, excluded.transaction_id),
    credits_each = coalesce(payment_order.credits_each, excluded.credits_each),
    tax = greatest(payment_order.tax, excluded.tax), paid = greatest(payment_order.paid, excluded.paid)
returning id, (xmax = 0)::boolean as fresh;

-- name: OrderPeriod :one
-- The payment of a subscription.
insert into payment_order (subject, kind, product_id, checkout_id, subscription_id, order_id, transaction_id, customer_mask, email, currency, net, tax, paid,
    paid_at, period_start, period_end, change_id, credits_each)
values (sqlc.narg(subject), 'plan', sqlc.narg(product_id), sqlc.narg(checkout_id), @subscription_id, sqlc.narg(order_id), @transaction_id, sqlc.narg(customer_mask),
    @email, @currency, @net, @tax, @paid, @paid_at, @period_start, @period_end, sqlc.narg(change_id), sqlc.narg(credits_each))
on conflict (transaction_id) do update set
    subject = coalesce(payment_order.subject, excluded.subject), product_id = coalesce(payment_order.product_id, excluded.product_id),
    checkout_id = coalesce(payment_order.checkout_id, excluded.checkout_id), credits_each = coalesce(payment_order.credits_each, excluded.credits_each),
    change_id = coalesce(payment_order.change_id, excluded.change_id)
returning id, (xmax = 0)::boolean as fresh;

-- name: OrderTakeBack :one
-- No row: that much was known.
update payment_order set refunded = greatest(refunded, @refunded), disputed = disputed or @disputed,
    refund_pending = false
where id = @id and (refunded < @refunded or (@disputed and not disputed)) returning id;

-- name: OrderLookAgain :exec
update payment_order set next_look_at = sqlc.narg(next_look_at) where id = @id;

-- name: OrderGiven :exec
update payment_order set months_given = @months_given, credits = @credits, next_credits_at = sqlc.narg(next_credits_at) where id = @id;

-- name: OrdersOfSubscription :many
select sqlc.embed(o) from payment_order o where o.subscription_id = @subscription_id order by o.period_start, o.paid_at, o.transaction_id;

-- name: OrdersDue :many
-- From a place on.
select id, subscription_id, next_credits_at::timestamptz as due_at from payment_order
where next_credits_at <= @now and (next_credits_at, id) > (sqlc.arg(after)::timestamptz, sqlc.arg(after_id)::uuid)
order by next_credits_at, id limit @most;

-- name: ChangesOf :many
select id, from_product, to_product, credits, at_once, status, created_at from payment_change where subscription_id = @subscription_id order by created_at;

-- name: ChangeEnd :exec
update payment_change set status = @status, ended_at = @now where id = @id and status = 'asked';

-- name: ChangesStale :execrows
-- A look that came to something has not seen them.
update payment_change c set status = 'refused', ended_at = @now from payment_subscription s
where s.id = c.subscription_id and s.looked_at >= c.created_at and c.status = 'asked' and c.created_at <= @before;

-- name: PlanLock :one
-- Who pays for one person takes turns.
insert into payment_plan (subject, plan) values (@subject, @plan) on conflict (subject) do update set subject = excluded.subject returning plan;

-- name: PlanSet :exec
update payment_plan set plan = @plan, until = sqlc.narg(until) where subject = @subject;

-- name: PlansDue :many
-- From a place on.
select subject, until::timestamptz as due_at from payment_plan
where until <= @now and (until, subject) > (sqlc.arg(after)::timestamptz, sqlc.arg(after_subject)::uuid)
order by until, subject limit @most;

-- name: PeriodsOf :many
-- What a person's payments of subscriptions could give them now. What was withdrawn from gives nothing, however its money goes back.
-- Change_returned: what it was changed to within the period gives nothing either, for its own payment went back.
select o.product_id, o.period_start, o.period_end, o.paid, o.refunded, o.disputed, s.status, s.product_id as current_product,
    s.period_end as current_end, exists (
        select from payment_order c
        where c.subscription_id = s.id and c.change_id is not null and c.product_id = s.product_id and c.period_end = o.period_end
            and (c.disputed or c.paid > 0 and c.refunded >= c.paid or exists (select from payment_withdrawal w where w.order_id = c.id))
    )::boolean as change_returned
from payment_order o join payment_subscription s on s.id = o.subscription_id
where o.subject = @subject and o.kind = 'plan' and o.change_id is null and o.period_end > sqlc.arg(since)::timestamptz
    and not exists (select from payment_withdrawal w where w.order_id = o.id);

-- name: OrderWithdrawn :one
select exists (select from payment_withdrawal where order_id = @id);

-- name: DifferenceNote :one
-- Seen again, it stays what it was, if it was repaired or a person has settled it; one that settled by itself and is there again is open again.
insert into payment_difference (kind, about, status, credits, found_at, seen_at) values (@kind, @about, @status, @credits, @now, @now)
on conflict (kind, about) do update set seen_at = excluded.seen_at,
    status = case when payment_difference.status = 'repaired' or payment_difference.actor is not null then payment_difference.status else excluded.status end
returning (xmax = 0)::boolean as fresh;

-- name: DifferenceSettle :exec
update payment_difference set status = 'settled', settled_at = @now where kind = @kind and about = @about and status = 'open';

-- name: RefundsArrived :many
-- What a person had to return is back when the vendor says so: the oldest first, as far as the money reaches.
update payment_refund r set status = 'done', ended_at = @now
from (
    select i.id, sum(i.amount) over (order by i.created_at, i.id) as upto from payment_refund i where i.order_id = @order_id and i.status in ('done', 'by_hand')
) x
where r.id = x.id and r.status = 'by_hand' and x.upto <= sqlc.arg(refunded)::bigint returning r.id;

-- name: PaymentTurn :exec
-- Until the end of the transaction: who finds a payment unknown does not miss that another is writing it.
select pg_advisory_xact_lock(hashtextextended('payment:' || sqlc.arg(about)::text, 0));
