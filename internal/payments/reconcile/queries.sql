-- name: LooksDue :many
(select 'checkout'::text as kind, c.id from payment_checkout c where c.next_look_at <= @now order by c.next_look_at limit @most)
union all (select 'subscription', s.id from payment_subscription s where s.next_look_at <= @now order by s.next_look_at limit @most)
union all (select 'order', o.id from payment_order o where o.next_look_at <= @now order by o.next_look_at limit @most);

-- name: LooksLater :exec
-- A look sets the time of the next one; this is for those that come to nothing.
with c as (update payment_checkout set next_look_at = @later where payment_checkout.id = any(@ids::uuid[])),
    s as (update payment_subscription set next_look_at = @later where payment_subscription.id = any(@ids::uuid[]))
update payment_order set next_look_at = @later where payment_order.id = any(@ids::uuid[]);

-- name: TransactionsKnown :many
select transaction_id::text as transaction_id, refunded, disputed, paid, subscription_id from payment_order where transaction_id = any(@ids::text[]);

-- name: OrdersKnown :many
select order_id::text as order_id from payment_order where kind = 'pack' and order_id = any(@ids::text[]);

-- name: SubscriptionsKnown :many
select vendor_id, status, product_id, period_end, vendor_updated_at from payment_subscription where vendor_id = any(@ids::text[]);

-- name: ScanBegin :one
insert into payment_scan (name, whole, began_at) values (@name, @whole, @now)
on conflict (name) do update set
    page = case when payment_scan.finished_at is null and payment_scan.whole >= excluded.whole then payment_scan.page else 1 end,
    whole = case when payment_scan.finished_at is null then payment_scan.whole or excluded.whole else excluded.whole end,
    pages = case when payment_scan.finished_at is null and payment_scan.whole >= excluded.whole then payment_scan.pages else 0 end,
    items = case when payment_scan.finished_at is null and payment_scan.whole >= excluded.whole then payment_scan.items else 0 end,
    began_at = case when payment_scan.finished_at is null and payment_scan.whole >= excluded.whole then payment_scan.began_at else excluded.began_at end,
    finished_at = null
returning page, whole, began_at, newest;

-- name: ScanPage :exec
update payment_scan set page = @page, pages = pages + 1, items = items + @items where name = @name;

-- name: ScanEnd :exec
update payment_scan set finished_at = @now, read_at = @now, page = 1, newest = greatest(newest, sqlc.narg(newest)) where name = @name;

-- name: DifferencesList :many
select kind, about, status, credits, found_at from payment_difference where found_at >= @since order by found_at, kind, about limit @most;

-- name: DifferencesOpen :many
select kind, count(*) as count, min(found_at)::timestamptz as oldest from payment_difference where status = 'open' group by kind;

-- name: ScansRead :many
-- The release before writes no read_at.
select name, greatest(read_at, finished_at)::timestamptz as read_at from payment_scan where read_at is not null or finished_at is not null;

-- name: RefundsByHand :one
select count(*) from payment_refund where status = 'by_hand';

-- name: DifferencesKnown :exec
-- A scan may have met a payment just before its own look wrote it.
update payment_difference d set status = 'settled', settled_at = @now
where d.kind = 'unknown_payment' and d.status = 'open'
    and exists (select from payment_order o where o.transaction_id = d.about or o.kind = 'pack' and o.order_id = d.about);
