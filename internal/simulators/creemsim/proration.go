package creemsim

import (
	"slices"
	"time"
)

// plan is what a subscription is for.
type plan struct {
	product *product
	units   int
}

// computeNet is what a period of it costs before tax. Discounts are left out of prorations.
func (p plan) computeNet() int64 { return p.product.Price * int64(p.units) }

// changePlan puts a subscription on another plan at once, and moves the money as the behaviour says: the difference
// for the rest of the period is charged, or given back. Another billing period begins now, its price less what is
// left of the old one.
func (s *Sim) changePlan(sub *subscription, to plan, behavior string, now time.Time) error {
	if err := sub.requireStatus(statusActive, statusTrialing); err != nil {
		return err
	}

	switch {
	case !slices.Contains([]string{prorateNow, prorateOld, prorateNone}, behavior):
		return badRequest("update_behavior must be one of the following values: " + prorateNow + ", " + prorateOld + ", " + prorateNone)
	case to.product.BillingType != BillingRecurring || to.product.isArchived:
		return badRequest("product must be a recurring product")
	case to.product.Currency != sub.product.Currency:
		return badRequest("product must have the currency of the subscription")
	case to.units < 1:
		return badRequest("items.units must not be less than 1")
	}

	told := noticeOf("update", sub) // of the old plan
	from := plan{sub.product, sub.units}
	sub.product, sub.units, sub.updated = to.product, to.units, now

	var (
		back int64 // before tax
		paid = sub.last
	)

	switch isShifted := to.product.BillingPeriod != from.product.BillingPeriod; {
	// A trial has cost nothing yet; or no money moves before the end of the period.
	case sub.status == statusTrialing, behavior == prorateNone:
		if isShifted {
			sub.moveAnchor(sub.end)
		}
	// The new period begins now.
	case isShifted:
		back = max(0, sub.computeUnused(from, now)-to.computeNet())
		s.restartPeriod(sub, to.computeNet()-sub.computeUnused(from, now), now)
	default:
		back = s.chargeDifference(sub, sub.computeUnused(to, now)-sub.computeUnused(from, now), now)
	}

	s.planEnd(sub)

	if !s.knobs.StaleUpdates {
		told = noticeOf("update", sub)
	}

	s.emit(now, told)

	if back > 0 && paid != nil {
		p := price{subTotal: back}.addTax(sub.product.TaxMode)
		left := paid.price.total - paid.refunded - paid.underWay
		_, _ = s.refundTransaction(paid, min(p.total, left), "other", now) // nothing may be left
	}

	return nil
}

// computeUnused is what the rest of the period is worth on a plan, before tax.
func (sub *subscription) computeUnused(p plan, now time.Time) int64 {
	whole, rest := sub.end.Sub(sub.start), max(0, sub.end.Sub(now))

	return divideRounded(p.computeNet()*int64(rest/time.Second), int64(whole/time.Second))
}

// moveAnchor has paid periods counted from another hour on.
func (sub *subscription) moveAnchor(to time.Time) {
	sub.paidBefore, sub.anchor, sub.periods = sub.paidBefore+sub.periods, to, 0
}

// restartPeriod begins the first period of another length, for a price before tax.
func (s *Sim) restartPeriod(sub *subscription, net int64, now time.Time) {
	sub.moveAnchor(now)
	s.chargePeriod(sub, now).price = price{subTotal: max(0, net)}.addTax(sub.product.TaxMode)
}

// chargeDifference books what a dearer plan costs for the rest of the period, or returns what a cheaper one gives
// back.
func (s *Sim) chargeDifference(sub *subscription, net int64, now time.Time) (back int64) {
	if net <= 0 {
		return -net
	}

	sub.last = s.addTransaction(transaction{
		order: sub.order, checkout: sub.checkout, subscription: sub, price: price{subTotal: net}.addTax(sub.product.TaxMode),
		status: transactionPaid, start: now, end: sub.end, created: now,
	})

	return 0
}
