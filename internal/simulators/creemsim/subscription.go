package creemsim

import (
	"encoding/json"
	"time"
)

// The states of a subscription.
const (
	statusActive          = "active"
	statusCanceled        = "canceled"
	statusUnpaid          = "unpaid"
	statusPaused          = "paused"
	statusTrialing        = "trialing"
	statusScheduledCancel = "scheduled_cancel"
	statusPastDue         = "past_due"
)

// subscription is a product that is paid for period after period.
type subscription struct {
	id, itemID, priceID string
	product             *product
	customer            *customer
	order               *order
	checkout            *checkout
	units               int
	discount            *discount // nil: none
	metadata            json.RawMessage
	status              string
	pausesAtEnd         bool // a scheduled cancel that pauses instead

	anchor     time.Time    // where the first paid period begins
	periods    int          // that were paid since
	paidBefore int          // that were paid before the anchor was moved
	start, end time.Time    // of the period now
	last       *transaction // nil: none
	canceled   time.Time    // zero: not
	created    time.Time
	updated    time.Time

	plan  int // the number of its newest plan: what an older one has put on the clock does nothing
	tries int // of a renewal that fails
}

// beginSubscription starts what a checkout bought: with its first payment, or with a trial.
func (s *Sim) beginSubscription(c *checkout, now time.Time) {
	sub := &subscription{
		id: s.newID("sub"), itemID: s.newID("sitem"), priceID: s.newID("pprice"), product: c.product, customer: c.customer, checkout: c,
		units: c.units, discount: c.discount, metadata: c.metadata, anchor: now, start: now, created: now, updated: now,
	}
	s.subscriptions = append(s.subscriptions, sub)
	c.subscription = sub

	if days := c.product.TrialDays; days > 0 {
		sub.status, sub.anchor = statusTrialing, now.AddDate(0, 0, days)
		sub.end = sub.anchor
		c.order = s.addOrder(c, price{}, now)
		sub.order = c.order
		s.planEnd(sub)
		s.emit(now, noticeOfCheckout(c), noticeOf("trialing", sub))

		return
	}

	sub.status = statusActive
	c.order = s.addOrder(c, c.computePrice(), now)
	sub.order = c.order
	s.chargePeriod(sub, now)
	s.planEnd(sub)
	s.emit(now, noticeOfCheckout(c), noticeOf("active", sub), noticeOf("paid", sub))
}

// chargePeriod moves a subscription on to its next period, and books the payment.
func (s *Sim) chargePeriod(sub *subscription, at time.Time) *transaction {
	sub.start = addPeriods(sub.anchor, sub.product.BillingPeriod, sub.periods)
	sub.end = addPeriods(sub.anchor, sub.product.BillingPeriod, sub.periods+1)
	sub.last = s.addTransaction(transaction{
		order: sub.order, checkout: sub.checkout, subscription: sub, price: sub.computePrice(sub.paidBefore + sub.periods), status: transactionPaid,
		start: sub.start, end: sub.end, created: at,
	})
	sub.periods++
	sub.updated = at

	if sub.order.first == nil {
		sub.order.first = sub.last // after a trial this is later than the order
	}

	return sub.last
}

// computePrice is what the nth period costs, counted from zero.
func (sub *subscription) computePrice(n int) price {
	d := sub.discount
	if d != nil && !d.coversPeriod(n, sub.product.BillingPeriod) {
		d = nil
	}

	return computePrice(sub.product, sub.product.Price, sub.units, d)
}

func (s *Sim) findSubscription(id string) (*subscription, error) {
	for _, sub := range s.subscriptions {
		if sub.id == id {
			return sub, nil
		}
	}

	return nil, notFound("Subscription not found")
}

// noticeOf is an event of a subscription, such as "paid".
func noticeOf(what string, sub *subscription) notice {
	return notice{"subscription." + what, renderSubscription(sub)}
}

// renderBegun writes a subscription with product and customer by their ids, before anything was paid.
func renderBegun(sub *subscription) object {
	out := object{
		"id": sub.id, "mode": modeTest, "object": "subscription", "product": sub.product.ID, "customer": sub.customer.id,
		"collection_method": "charge_automatically", "status": sub.status, "canceled_at": nil,
		"created_at": formatTime(sub.created), "updated_at": formatTime(sub.updated),
	}

	if !sub.canceled.IsZero() {
		out["canceled_at"] = formatTime(sub.canceled)
	}

	if sub.metadata != nil {
		out["metadata"] = sub.metadata
	}

	return out
}

// renderPaid adds the period, the items and what was paid.
func renderPaid(sub *subscription) object {
	out := renderBegun(sub)
	out["current_period_start_date"], out["current_period_end_date"] = formatTime(sub.start), formatTime(sub.end)
	out["items"] = []object{{
		"id": sub.itemID, "mode": modeTest, "object": "subscription_item", "product_id": sub.product.ID, "price_id": sub.priceID,
		"units": sub.units, "created_at": formatTime(sub.created), "updated_at": formatTime(sub.updated),
	}}

	if sub.last != nil {
		out["last_transaction_id"], out["last_transaction_date"] = sub.last.id, formatTime(sub.last.created)
		out["last_transaction"] = renderTransaction(sub.last)
	}

	if sub.status == statusActive || sub.status == statusTrialing {
		out["next_transaction_date"] = formatTime(sub.end)
	}

	if sub.discount != nil {
		out["discount"] = sub.discount.renderApplied()
	}

	return out
}

// renderSubscription writes a subscription as the API and its events do: product and customer whole.
func renderSubscription(sub *subscription) object {
	out := renderPaid(sub)
	out["product"], out["customer"] = renderProduct(sub.product), renderCustomer(sub.customer)

	return out
}
