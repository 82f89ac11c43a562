package subscriptions

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
)

// Subscription is one as its owner sees it. A time that is zero is not known, or never comes.
type Subscription struct {
	ID          uuid.UUID
	Status      payments.SubscriptionStatus // unknown: it was never looked at, or is what the vendor has no other word for
	Product     products.Product            // what the next payment is for; without an id: none of ours
	Currency    string                      // EUR, USD; empty: not known yet
	PeriodStart time.Time                   // of what was paid last
	PeriodEnd   time.Time
	RenewsAt    time.Time // when it is paid next; zero: it is not
	EndsAt      time.Time // when it ends, or ended; zero: it goes on
	CreatedAt   time.Time
	// Rights is the plan that is paid for now: it stays until its time, whatever becomes of the subscription.
	Rights *Rights // nil: none is
	// Pending is a change that was asked for, and did not show yet.
	Pending *Change // nil: none
	// IfCanceled is what stays if it is canceled now.
	IfCanceled *Remains // nil: it cannot be

	vendorID string
}

// Rights are a plan that was paid for.
type Rights struct {
	Product products.Product
	Until   time.Time
}

// Remains is what a canceled subscription leaves.
type Remains struct {
	RightsUntil  time.Time // until when the plan stays; zero: no payment gives it now
	CreditsUntil time.Time // until when its last credits are good; zero: it gives none any more, or they do not expire
}

// describeNext says what happens next, as its status and its period are.
func (u *Subscription) describeNext(now time.Time, canceledAt *time.Time) {
	u.RenewsAt, u.EndsAt, u.IfCanceled = time.Time{}, time.Time{}, nil

	switch u.Status {
	case payments.SubscriptionActive, payments.SubscriptionTrialing:
		u.RenewsAt = u.PeriodEnd
		u.IfCanceled = u.remains()
	case payments.SubscriptionPastDue, payments.SubscriptionUnpaid, payments.SubscriptionPaused:
		u.IfCanceled = u.remains()
	case payments.SubscriptionScheduled, payments.SubscriptionExpired:
		u.EndsAt = u.PeriodEnd
	case payments.SubscriptionCanceled:
		// The vendor may say when it was asked for that, or when it was done.
		u.EndsAt = u.PeriodEnd
		if canceledAt != nil && now.Before(u.PeriodEnd) {
			u.EndsAt = canceledAt.UTC()
		}
	case payments.SubscriptionUnknown:
	}
}

// remains is what stays without another payment: the plan for what was paid, and the credits of its last month.
func (u *Subscription) remains() *Remains {
	if u.Rights == nil {
		return &Remains{}
	}

	last := u.PeriodStart

	for i := range u.Rights.Product.Interval.Months() {
		if at := products.AddMonths(u.PeriodStart, i); at.Before(u.PeriodEnd) {
			last = at
		}
	}

	r := &Remains{RightsUntil: u.Rights.Until}
	if until := u.Rights.Product.Expiry(last); until != nil && !u.PeriodStart.IsZero() {
		r.CreditsUntil = *until
	}

	return r
}

// follow makes u what the vendor has just said of it. What the books say follows with the look.
func (u *Subscription) follow(seen payments.Subscription, now time.Time) {
	u.Status = seen.Status

	if !seen.PeriodStart.IsZero() && !seen.PeriodEnd.IsZero() {
		u.PeriodStart, u.PeriodEnd = seen.PeriodStart.UTC(), seen.PeriodEnd.UTC()
	}

	var canceledAt *time.Time
	if !seen.CanceledAt.IsZero() {
		canceledAt = &seen.CanceledAt
	}

	u.describeNext(now, canceledAt)
}
