-- name: CheckoutExpirePlans :exec
-- Of a plan, so that another may begin. What was paid at the last moment is found all the same: the next look stays.
update payment_checkout set status = 'expired', url = null, ended_at = @now
where subject = @subject and plan and status in ('creating', 'open') and expires_at <= @now;

-- name: CheckoutInsert :execrows
-- None: a checkout of a plan is open.
insert into payment_checkout (id, subject, product_id, plan, currency, amount, waiver, waived_at, created_at, expires_at)
values (@id, @subject, @product_id, @plan, @currency, @amount, @waiver, @waived_at, @created_at, @expires_at)
on conflict (subject) where plan and status in ('creating', 'open') do nothing;

-- name: CheckoutOpenPlan :one
select id from payment_checkout where subject = @subject and plan and status in ('creating', 'open');

-- name: CheckoutSubscribed :one
-- One of which nothing was heard yet counts, too.
select exists (select from payment_subscription where subject = @subject and status not in ('expired', 'canceled'));

-- name: CheckoutOpened :execrows
update payment_checkout set status = 'open', vendor_id = @vendor_id, url = @url, expires_at = @expires_at, next_look_at = @next_look_at
where id = @id and status = 'creating';

-- name: CheckoutFailed :exec
update payment_checkout set status = 'failed', ended_at = @ended_at where id = @id and status = 'creating';

-- name: CheckoutOwned :one
select sqlc.embed(c), coalesce(o.id, '00000000-0000-0000-0000-000000000000')::uuid as order_id
from payment_checkout c
left join lateral (select id from payment_order where subject = c.subject and checkout_id = c.id order by paid_at, id limit 1) o on true
where c.id = @id and c.subject = @subject;

-- name: CheckoutAsk :execrows
-- None: it is not open, or was asked for a moment ago.
update payment_checkout set hints = hints + 1, asked_at = @now
where id = @id and subject = @subject and status = 'open' and (asked_at is null or asked_at <= sqlc.arg(before)::timestamptz);
