-- name: OwnedSubscriptions :many
-- A person's, the newest first; or one of them. The currency is that of the last payment, or of the checkout that began it.
select s.id, s.vendor_id, s.product_id, s.status, s.period_start, s.period_end, s.canceled_at, s.created_at,
    coalesce(paid.currency, c.currency, '')::text as currency
from payment_subscription s
left join payment_checkout c on c.id = s.checkout_id
left join lateral (select o.currency from payment_order o where o.subscription_id = s.id order by o.paid_at desc limit 1) paid on true
where s.subject = @subject and (sqlc.narg(id)::uuid is null or s.id = sqlc.narg(id))
order by s.created_at desc, s.id;

-- name: OwnedSubscriptionLock :one
-- Who changes one takes turns.
select id from payment_subscription where id = @id and subject = @subject for no key update;

-- name: OwnedCustomer :one
-- The vendor's id of a person, of what they subscribed to last.
select customer_id from payment_subscription where subject = @subject and customer_id is not null order by created_at desc, id limit 1;

-- name: SubscriptionPeriods :many
-- What is paid for now or later, and was not paid back.
select subscription_id, product_id, period_start, period_end from payment_order
where subscription_id = any(@ids::uuid[]) and period_end > sqlc.arg(now)::timestamptz and not disputed and not (paid > 0 and refunded >= paid)
order by period_end, period_start;

-- name: SubscriptionAskLook :exec
-- A look that began before this is done again.
update payment_subscription set hints = hints + 1 where id = @id;

-- name: ChangesAsked :many
select subscription_id, from_product, to_product, credits, at_once, created_at from payment_change
where subscription_id = any(@ids::uuid[]) and status = 'asked';

-- name: ChangeAsk :exec
insert into payment_change (id, subscription_id, from_product, to_product, credits, period_start, at_once, created_at)
values (@id, @subscription_id, @from_product, @to_product, @credits, @period_start, @at_once, @created_at);

-- name: ChangeRefuse :exec
update payment_change set status = 'refused', ended_at = sqlc.arg(now)::timestamptz where id = @id and status = 'asked';

-- name: CancelRefusedNote :exec
-- The vendor does not end a subscription that was withdrawn from: a person must see to it.
insert into payment_difference (kind, about, status, found_at, seen_at) values ('cancel_refused', sqlc.arg(about), 'open', sqlc.arg(now), sqlc.arg(now))
on conflict (kind, about) do update set seen_at = excluded.seen_at, status = 'open';

-- name: SubscriptionVendorID :one
select vendor_id from payment_subscription where id = @id;
