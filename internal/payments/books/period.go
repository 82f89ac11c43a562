package books

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/credits"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
)

// periodOverlap is by how much two ends of one period may differ: the vendor's clocks differ by less.
const periodOverlap = 6 * time.Hour

// changeSkew is by how much a change may be asked for, by our clock, after the payment for it, by the vendor's.
const changeSkew = time.Minute

// payment is one payment of a subscription, and what it is for.
type payment struct {
	payments.Transaction

	change  *db.ChangesOfRow // it paid for a change within a period; nil: it opens a period, or nothing of ours asked for it
	opens   bool
	product *string // ours, where it differs from what the subscription has now
}

// matchPeriods tells payments that open a period from those within one, which pay for a change. Paid has everything that the vendor has,
// by the beginning of its period.
func matchPeriods(paid []payments.Transaction, changes []db.ChangesOfRow) (list []payment) {
	var end time.Time

	used := map[int]bool{}

	for _, t := range paid {
		if t.Status != payments.TransactionPaid && t.Status != payments.TransactionChargedBack || t.PeriodStart.IsZero() {
			continue
		}

		// One that reaches beyond the period opens another: the next, or a year that begins at once. When it begins says nothing: a change in
		// the last hours of a period is not worth another.
		p := payment{Transaction: t, opens: end.IsZero() || t.PeriodEnd.After(end.Add(periodOverlap))}

		if p.opens {
			end = t.PeriodEnd
			p.product = productAt(changes, t.PeriodStart)
		} else {
			p.change = changeOf(changes, t.CreatedAt, used)
		}

		list = append(list, p)
	}

	return list
}

// productAt is what a subscription had at a time before later changes; nil: what it has now.
func productAt(changes []db.ChangesOfRow, at time.Time) *string {
	for _, c := range changes {
		if c.Status == "done" && c.CreatedAt.After(at.Add(changeSkew)) {
			return &c.FromProduct
		}
	}

	return nil
}

// changeOf finds the change that a payment at a time is for: the latest before it that is charged at once and has none yet.
func changeOf(changes []db.ChangesOfRow, at time.Time, used map[int]bool) *db.ChangesOfRow {
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		if c.Status == "done" && c.AtOnce && !used[i] && !c.CreatedAt.After(at.Add(changeSkew)) {
			used[i] = true

			return &c
		}
	}

	return nil
}

// recordPeriod writes one payment of a subscription, and returns its order.
func (b *Books) recordPeriod(ctx context.Context, tx *postgres.Tx, s db.SubscriptionLockRow, who payments.Customer, p payment, reconcile bool) (uuid.UUID, error) {
	o := db.OrderPeriodParams{
		Subject: s.Subject, ProductID: s.ProductID, CheckoutID: s.CheckoutID, SubscriptionID: &s.ID, OrderID: textOf(p.OrderID), TransactionID: &p.ID,
		CustomerMask: maskCustomer(who.ID), Email: who.Email, Currency: p.Money.Currency, Net: p.Money.Net, Tax: p.Money.Tax, Paid: p.Money.Paid,
		PaidAt: p.CreatedAt.UTC(), PeriodStart: timeOf(p.PeriodStart), PeriodEnd: timeOf(p.PeriodEnd),
	}

	if p.opens {
		o.ProductID = b.productPaid(s, p)
	}

	switch {
	case p.change != nil:
		o.ChangeID, o.ProductID, o.CreditsEach = &p.change.ID, &p.change.ToProduct, &p.change.Credits
	case !p.opens:
		o.CreditsEach = new(int64(0)) // money that moved within a period, and nothing of ours asked for it
	case o.ProductID != nil:
		if product, ok := b.Products.Find(*o.ProductID); ok {
			o.CreditsEach = &product.Credits
		}
	}

	got, err := b.db.OrderPeriod(ctx, tx, o)
	if err != nil {
		return uuid.Nil, fmt.Errorf("write payment of subscription: %w", err)
	}

	if got.Fresh {
		var gives int64
		if o.CreditsEach != nil {
			gives = *o.CreditsEach
		}

		if err := b.noteOrder(ctx, tx, got.ID, o.ProductID, p.Money, gives, reconcile); err != nil {
			return uuid.Nil, err
		}
	}

	_, err = b.lockOrder(ctx, tx, got.ID, &p.Transaction, reconcile)

	return got.ID, err
}

// productPaid is what a payment that opens a period was for: what its subscription had then, as changes of ours tell; or what costs
// as much for as long, for it may have been changed at the vendor since; or what it has now.
func (b *Books) productPaid(s db.SubscriptionLockRow, p payment) *string {
	if p.product != nil {
		return p.product
	}

	if product, ok := b.Products.PlanPaid(p.Money.Currency, p.Money.Net, p.PeriodStart, p.PeriodEnd); ok {
		return &product.ID
	}

	return s.ProductID
}

// giveChange gives what the owner of a subscription was told that a change gives at once.
func (b *Books) giveChange(ctx context.Context, tx *postgres.Tx, s db.SubscriptionLockRow, c db.ChangesOfRow) error {
	product, ok := b.Products.Find(c.ToProduct)
	if !ok {
		return fmt.Errorf("change %s is to a product that is not known any more: put it back as retired", c.ID)
	}

	_, err := b.Ledger.Grant(ctx, tx, credits.Grant{
		Subject: *s.Subject, Source: credits.SourceSubscription, Reference: ChangeReference(s.VendorID, c.ID), Credits: c.Credits, ExpiresAt: product.Expiry(c.CreatedAt),
	})
	if err != nil {
		return fmt.Errorf("give credits of change %s: %w", c.ID, err)
	}

	return nil
}
