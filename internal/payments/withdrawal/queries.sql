-- name: WithdrawalOrder :one
-- A person's order, and what was agreed at its checkout. Who withdraws takes turns.
select o.id, o.product_id, o.order_id, o.transaction_id, o.subscription_id, s.vendor_id as subscription_vendor_id, o.change_id, o.credits_each, o.currency, o.paid,
    o.paid_at, o.period_start, o.period_end, o.refunded, o.disputed, o.refund_pending, (c.waived_at is not null)::boolean as waived
from payment_order o
left join payment_checkout c on c.id = o.checkout_id
left join payment_subscription s on s.id = o.subscription_id
where o.id = @id and o.subject = @subject for no key update of o;

-- name: WithdrawalOrderRefunds :one
-- Whether money of it went back, or is on its way.
select exists (select from payment_refund where order_id = @order_id and status <> 'refused');

-- name: WithdrawalOrderStop :exec
-- It gives no more months of credits.
update payment_order set next_credits_at = null where id = @id;

-- name: WithdrawalOf :one
select sqlc.embed(w), o.currency from payment_withdrawal w join payment_order o on o.id = w.order_id where w.order_id = @order_id;

-- name: WithdrawalLock :exec
-- Who adds to the chain takes turns, until the end of the transaction. It is the last lock of it.
select pg_advisory_xact_lock(hashtextextended('payment.withdrawal', 0));

-- name: WithdrawalLast :one
select number, hash from payment_withdrawal order by number desc limit 1;

-- name: WithdrawalInsert :exec
insert into payment_withdrawal (id, number, order_id, subject, refund_id, amount, credits, content, declared_at, previous_hash, hash)
values (@id, @number, @order_id, @subject, @refund_id, @amount, @credits, @content, @declared_at, @previous_hash, @hash);

-- name: WithdrawalsAfter :many
select sqlc.embed(w) from payment_withdrawal w where w.number > @number order by w.number limit @most;

-- name: WithdrawalsMissing :many
-- Money that goes back for a withdrawal which is not there.
select r.id from payment_refund r
where r.reason = 'withdrawal' and r.created_at > @since and not exists (select from payment_withdrawal w where w.refund_id = r.id)
order by r.created_at, r.id limit @most;
