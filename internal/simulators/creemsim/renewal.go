package creemsim

import "time"

const (
	maxTries      = 4                  // of a renewal: the first and three more
	maxRetryPause = 3 * 24 * time.Hour // between them; of short periods a quarter. Creem does not say: this is ours.
)

// planEnd has the period of a subscription end at its hour, and forgets what was planned before.
func (s *Sim) planEnd(sub *subscription) { s.planAt(sub, sub.end, s.endPeriod) }

// planAt has something happen to a subscription, unless another plan is made until then.
func (s *Sim) planAt(sub *subscription, at time.Time, do func(*subscription, time.Time)) {
	sub.plan++
	plan := sub.plan

	s.Clock.At(at, func() {
		if sub.plan == plan {
			do(sub, at)
		}
	})
}

// endPeriod is what happens at the end of a period. The hour is that end, wherever the clock is by now.
func (s *Sim) endPeriod(sub *subscription, at time.Time) {
	if sub.status != statusScheduledCancel {
		s.renewSubscription(sub, at)

		return
	}

	if sub.pausesAtEnd {
		s.pauseSubscription(sub, at)
	} else {
		s.cancelSubscription(sub, at)
	}
}

// renewSubscription has the next period paid, or, as long as the knob says so, declined.
func (s *Sim) renewSubscription(sub *subscription, at time.Time) {
	if s.knobs.FailRenewals {
		s.failRenewal(sub, at)

		return
	}

	s.chargePeriod(sub, at)

	sub.status, sub.tries = statusActive, 0
	s.count.Renewals++
	s.planEnd(sub)
	s.emit(at, noticeOf("paid", sub))
}

// failRenewal follows a payment that is declined: past due and tried again some times, then unpaid, and expired
// when the period that nobody paid has ended.
func (s *Sim) failRenewal(sub *subscription, at time.Time) {
	s.declineRenewal(sub, at)

	sub.tries++
	sub.updated = at
	unpaidEnd := addPeriods(sub.anchor, sub.product.BillingPeriod, sub.periods+1)

	switch {
	// The first try: the state changes.
	case sub.tries == 1:
		sub.status = statusPastDue
		s.emit(at, noticeOf("past_due", sub))
		s.planRetry(sub, at, unpaidEnd)
	case sub.tries < maxTries:
		s.planRetry(sub, at, unpaidEnd)
	// The last: Creem gives up.
	default:
		sub.status = statusUnpaid
		s.emit(at, noticeOf("unpaid", sub))
		s.planAt(sub, unpaidEnd, func(sub *subscription, at time.Time) {
			sub.updated = at
			s.emit(at, noticeOf("expired", sub))
		})
	}
}

// declineRenewal books a payment that came to nothing.
func (s *Sim) declineRenewal(sub *subscription, at time.Time) {
	s.addTransaction(transaction{
		order: sub.order, checkout: sub.checkout, subscription: sub, price: sub.computePrice(sub.paidBefore + sub.periods), status: transactionDeclined,
		start: sub.end, end: addPeriods(sub.anchor, sub.product.BillingPeriod, sub.periods+1), created: at,
	})
	s.count.Declined++
}

func (s *Sim) planRetry(sub *subscription, at, unpaidEnd time.Time) {
	s.planAt(sub, at.Add(min(maxRetryPause, unpaidEnd.Sub(sub.end)/maxTries)), s.renewSubscription)
}

// cancelSubscription ends a subscription for good.
func (s *Sim) cancelSubscription(sub *subscription, at time.Time) {
	sub.status, sub.canceled, sub.updated = statusCanceled, at, at
	sub.plan++
	s.emit(at, noticeOf("canceled", sub))
}

// pauseSubscription stops the payments. The period that is paid for goes on.
func (s *Sim) pauseSubscription(sub *subscription, at time.Time) {
	sub.status, sub.pausesAtEnd, sub.updated = statusPaused, false, at
	sub.plan++
	s.emit(at, noticeOf("paused", sub))
}

// resumeSubscription takes back a pause, or a cancel that has not come yet. Where the period that was paid for is
// over a new one begins, and is paid.
func (s *Sim) resumeSubscription(sub *subscription, at time.Time) {
	isOver := !sub.end.After(at)
	sub.status, sub.pausesAtEnd, sub.updated = statusActive, false, at

	if sub.last == nil {
		sub.status = statusTrialing
	}

	if isOver {
		sub.status = statusActive
		sub.paidBefore, sub.anchor, sub.periods = sub.paidBefore+sub.periods, at, 0
		s.chargePeriod(sub, at)
		s.count.Renewals++
	}

	s.planEnd(sub)

	if isOver {
		s.emit(at, noticeOf("update", sub), noticeOf("paid", sub))
	} else {
		s.emit(at, noticeOf("update", sub))
	}
}
