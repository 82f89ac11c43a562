-- name: OrderListOwned :many
-- Newest first, from a place on.
select sqlc.embed(o), c.waived_at, exists (
    select from payment_refund r where r.order_id = o.id and r.status in ('asked', 'sent', 'by_hand')) as refund_asked
from payment_order o
left join payment_subscription s on s.id = o.subscription_id
left join payment_checkout c on c.id = coalesce(o.checkout_id, s.checkout_id)
where o.subject = @subject and (o.paid_at, o.id) < (sqlc.arg(before)::timestamptz, sqlc.arg(before_id)::uuid)
order by o.paid_at desc, o.id desc limit @most;

-- name: OrderGetOwned :one
select sqlc.embed(o), c.waived_at, exists (
    select from payment_refund r where r.order_id = o.id and r.status in ('asked', 'sent', 'by_hand')) as refund_asked
from payment_order o
left join payment_subscription s on s.id = o.subscription_id
left join payment_checkout c on c.id = coalesce(o.checkout_id, s.checkout_id)
where o.subject = @subject and o.id = @id;
