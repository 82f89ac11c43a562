-- name: RefundOrderLock :one
-- Who gives money of an order back takes turns.
select paid, refunded, disputed, transaction_id from payment_order where id = @id for no key update;

-- name: RefundsUnderWay :one
-- What is on its way already, or arrived without having been seen by a look.
select coalesce(sum(r.amount), 0)::bigint from payment_refund r join payment_order o on o.id = r.order_id
where r.order_id = @order_id and (r.status in ('asked', 'sent', 'by_hand') or r.status = 'done' and o.refund_pending);

-- name: RefundRead :one
select r.id, r.order_id, r.amount, r.reason, r.actor, r.status, r.sent_at, o.transaction_id, o.subscription_id
from payment_refund r join payment_order o on o.id = r.order_id where r.id = @id;

-- name: RefundInsert :exec
insert into payment_refund (id, order_id, amount, reason, actor, status, created_at)
values (@id, @order_id, @amount, @reason, @actor, @status, @created_at);

-- name: RefundSend :execrows
-- From now on it may have happened. No row: another run has sent it, or it has ended.
update payment_refund set status = 'sent', sent_at = sqlc.arg(now)::timestamptz where id = @id and status = 'asked';

-- name: RefundUnsend :exec
-- It did not happen.
update payment_refund set status = 'asked', sent_at = null where id = @id and status = 'sent';

-- name: RefundEnd :execrows
-- One that a person does has not ended. No row: it has, or is a person's.
update payment_refund set status = @status, ended_at = case when @status <> 'by_hand' then sqlc.arg(now)::timestamptz end
where id = @id and status in ('asked', 'sent');

-- name: RefundOrderAskLook :exec
-- A look that began before this is done again. Pending: reconciliation watches until the money is seen to be back.
update payment_order set hints = hints + 1, refund_pending = refund_pending or @pending, next_look_at = case when @pending then sqlc.arg(now)::timestamptz else next_look_at end
where id = @id;

-- name: RefundSubscriptionAskLook :exec
update payment_subscription set hints = hints + 1 where id = @id;

-- name: RefundDifferenceNote :exec
-- Money that a person must see to.
insert into payment_difference (kind, about, status, found_at, seen_at) values (@kind, @about, 'open', sqlc.arg(now), sqlc.arg(now))
on conflict (kind, about) do update set seen_at = excluded.seen_at, status = 'open';

-- name: RefundEndByHand :execrows
-- No row: it is no person's to do, or was done.
update payment_refund set status = @status, ended_at = sqlc.arg(now)::timestamptz where id = @id and status = 'by_hand';

-- name: RefundUnseen :one
-- Whether money went back that no look has seen yet.
select (o.refunded < (select coalesce(sum(r.amount), 0) from payment_refund r where r.order_id = o.id and r.status = 'done'))::boolean
from payment_order o where o.id = @id;
