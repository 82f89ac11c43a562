package books

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"imagerun/internal/credits"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
)

// grant is credits that an order gives at a time.
type grant struct {
	reference string
	at        time.Time
	expires   *time.Time
}

// giveCredits gives what an order gives by now, takes back what was paid back, and writes when the next credits are due. It may be called
// any number of times.
func (b *Books) giveCredits(ctx context.Context, tx *postgres.Tx, o *db.PaymentOrder) error {
	if o.Subject == nil || o.CreditsEach == nil {
		return nil // whose it is, or what it is, is not known yet
	}

	// What its owner withdrew from gives nothing more, and what was not used of it was taken then: for the rest they owe nothing.
	if withdrawn, err := b.db.OrderWithdrawn(ctx, tx, o.ID); err != nil {
		return fmt.Errorf("look for withdrawal from order %s: %w", o.ID, err)
	} else if withdrawn && !o.Disputed {
		return b.db.OrderGiven(ctx, tx, db.OrderGivenParams{ID: o.ID, MonthsGiven: o.MonthsGiven, Credits: o.Credits})
	}

	grants, err := b.listGrants(ctx, tx, o)
	if err != nil {
		return err
	}

	now := b.now()
	given, next := int(o.MonthsGiven), (*time.Time)(nil)
	all := o.Disputed || o.Refunded >= o.Paid && o.Paid > 0

	for i, g := range grants {
		if i < given {
			continue
		}

		// What is paid back wholly gives no more; what is yet to come waits for its time.
		if all && i > 0 {
			break
		}

		// The first came with its payment, whatever our clock says.
		if i > 0 && g.at.After(now) {
			next = &g.at

			break
		}

		source := credits.SourceSubscription
		if o.Kind == "pack" {
			source = credits.SourcePack
		}

		if *o.CreditsEach > 0 && (g.expires == nil || g.expires.After(now)) {
			_, err := b.Ledger.Grant(ctx, tx, credits.Grant{Subject: *o.Subject, Source: source, Reference: g.reference, Credits: *o.CreditsEach, ExpiresAt: g.expires})
			if err != nil {
				return fmt.Errorf("give credits of order %s: %w", o.ID, err)
			}

			o.Credits += *o.CreditsEach
		}

		given = i + 1
	}

	if err := b.takeBack(ctx, tx, o, grants[:min(given, len(grants))]); err != nil {
		return err
	}

	o.MonthsGiven = int32(given) //nolint:gosec // at most 12

	return b.db.OrderGiven(ctx, tx, db.OrderGivenParams{ID: o.ID, MonthsGiven: o.MonthsGiven, Credits: o.Credits, NextCreditsAt: next})
}

// takeBack takes the part of each grant back that was paid back of the order.
func (b *Books) takeBack(ctx context.Context, tx *postgres.Tx, o *db.PaymentOrder, grants []grant) error {
	taken := takenOf(*o, *o.CreditsEach)
	if taken == 0 {
		return nil
	}

	reason, cause := credits.ReasonPaymentRefunded, fmt.Sprintf("refund:%d", o.Refunded)
	if o.Disputed {
		reason, cause = credits.ReasonDispute, "dispute"
	}

	for _, g := range grants {
		err := b.Ledger.ClawBack(ctx, tx, credits.ClawBack{Subject: *o.Subject, Reference: g.reference, Event: g.reference + ":" + cause, Credits: taken, Reason: reason})
		if err != nil {
			return fmt.Errorf("take credits of order %s back: %w", o.ID, err)
		}
	}

	return nil
}

// takenOf is which part of credits goes with what was paid back of an order; all of them with a dispute.
func takenOf(o db.PaymentOrder, given int64) int64 {
	if o.Disputed {
		return given
	}

	return TakenCredits(given, o.Paid, o.Refunded)
}

// TakenCredits is which part of credits goes with what was refunded of a payment, rounded down; all of them with all of it.
func TakenCredits(given, paid, refunded int64) int64 {
	switch {
	case paid > 0 && refunded >= paid:
		return given
	case refunded == 0 || paid == 0:
		return 0
	default:
		n := new(big.Int).Mul(big.NewInt(given), big.NewInt(refunded))

		return n.Div(n, big.NewInt(paid)).Int64()
	}
}

// listGrants lists all that an order gives in its time, the first first.
func (b *Books) listGrants(ctx context.Context, tx *postgres.Tx, o *db.PaymentOrder) ([]grant, error) {
	product, ok := b.Products.Find(*o.ProductID)
	if !ok {
		return nil, fmt.Errorf("order %s is of a product that is not known any more: put it back as retired", o.ID)
	}

	if o.Kind == "pack" {
		return []grant{{reference: PackReference(*o.OrderID), at: o.PaidAt, expires: product.Expiry(o.PaidAt)}}, nil
	}

	s, err := b.db.SubscriptionRead(ctx, tx, *o.SubscriptionID)
	if err != nil {
		return nil, fmt.Errorf("read subscription of order %s: %w", o.ID, err)
	}

	// The same grant as the change's own, which may have come first: see recordChanges.
	if o.ChangeID != nil {
		return []grant{{reference: ChangeReference(s.VendorID, *o.ChangeID), at: o.PaidAt, expires: product.Expiry(o.PaidAt)}}, nil
	}

	return listMonths(s.VendorID, product, *o.PeriodStart, *o.PeriodEnd), nil
}

// listMonths lists the grants of a period that was paid: one for each month that begins in it.
func listMonths(subscription string, p products.Product, start, end time.Time) (list []grant) {
	for i := range p.Interval.Months() {
		at := products.AddMonths(start, i)
		if i > 0 && !at.Before(end) {
			break
		}

		list = append(list, grant{reference: monthReference(subscription, at), at: at, expires: p.Expiry(at)})
	}

	return list
}

// monthReference is the reference of a month of a subscription in the ledger.
func monthReference(subscription string, at time.Time) string {
	return "sub:" + subscription + ":" + at.UTC().Format(time.RFC3339)
}

// PackReference is the reference in the ledger of what a pack gives, by the vendor's id of the order.
func PackReference(order string) string { return "creem:" + order }

// MonthReferences lists the references of all that a period gives in its time, by the vendor's id of the subscription.
func MonthReferences(subscription string, p products.Product, start, end time.Time) (list []string) {
	for _, g := range listMonths(subscription, p, start, end) {
		list = append(list, g.reference)
	}

	return list
}

// ChangeReference is the reference of what a change gives at once.
func ChangeReference(subscription string, change fmt.Stringer) string {
	return "sub:" + subscription + ":change:" + change.String()
}
