package books

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

const (
	// firstLook is how long after its beginning a checkout is looked at whose end no webhook told; later looks are further and further apart.
	firstLook = 5 * time.Minute
	rarest    = 6 * time.Hour
	// latePayment is for how long after its beginning a checkout is looked at of which no payment shows: the vendor's page is open for longer
	// than we wait, and what is paid there may show after the end.
	latePayment = 3 * 24 * time.Hour
)

// checkoutLooker brings the books up to what the vendor says of a checkout.
type checkoutLooker struct{ *Books }

// Handle implements [queue.Handler].
func (h checkoutLooker) Handle(ctx context.Context, job *queue.Job[jobs.LookAtCheckout]) error {
	queue.About(ctx, slog.Any("checkout_id", job.Args.CheckoutID))

	// 1. Which one is it?
	row, err := h.db.CheckoutRead(ctx, h.Pool, job.Args.CheckoutID)
	if postgres.IsNotFound(err) || err == nil && row.VendorID == nil {
		return endEmpty(ctx, h.Pool, job)
	}

	if err != nil {
		return fmt.Errorf("read checkout: %w", err)
	}

	// 2. What does the vendor say?
	seen, err := h.Vendor.FindCheckout(ctx, *row.VendorID)
	if payments.ClassOf(err) == payments.NotFound {
		seen, err = payments.Checkout{ID: *row.VendorID, Status: payments.CheckoutExpired}, nil
	}

	if err != nil {
		return err
	}

	paid, err := h.findPayment(ctx, seen)
	if err != nil {
		return err
	}

	if paid != nil {
		if seen.Customer, err = h.findCustomer(ctx, seen.Customer); err != nil {
			return err
		}
	}

	// 3. The books follow, and the job ends, unless a hint came meanwhile.
	return endLook(ctx, h.Pool, job, row.Hints, func(tx *postgres.Tx) (int32, error) {
		now, err := h.db.CheckoutLock(ctx, tx, row.ID)
		if err != nil {
			return 0, fmt.Errorf("lock checkout: %w", err)
		}

		return now.Hints, h.recordCheckout(ctx, tx, row, now.Status, seen, paid, job.Args.Reconcile)
	})
}

// findPayment returns the payment of a checkout's order; nil: there is none of a pack.
func (h checkoutLooker) findPayment(ctx context.Context, seen payments.Checkout) (*payments.Transaction, error) {
	if seen.Order == nil || seen.Order.Recurring || seen.SubscriptionID != "" {
		return nil, nil
	}

	if id := seen.Order.TransactionID; id != "" {
		t, err := h.Vendor.FindTransaction(ctx, id)

		return &t, err
	}

	page, err := h.Vendor.ListTransactions(ctx, payments.TransactionFilter{OrderID: seen.Order.ID}, 1)
	if err != nil {
		return nil, err
	}

	for _, t := range page.Items {
		if t.OrderID == seen.Order.ID {
			return &t, nil
		}
	}

	return nil, nil
}

// recordCheckout brings a checkout, and what came of it, up to what was seen.
func (b *Books) recordCheckout(ctx context.Context, tx *postgres.Tx, row db.CheckoutReadRow, status string, seen payments.Checkout, paid *payments.Transaction, reconcile bool) error {
	if err := b.recordCheckoutStatus(ctx, tx, row, status, seen, reconcile); err != nil {
		return err
	}

	switch {
	// The first payment of a subscription is the subscription's.
	case seen.SubscriptionID != "":
		id, err := b.db.SubscriptionHint(ctx, tx, db.SubscriptionHintParams{VendorID: seen.SubscriptionID, CheckoutID: &row.ID})
		if err != nil {
			return fmt.Errorf("note subscription of checkout: %w", err)
		}

		return b.stageLook(ctx, tx, jobs.LookAtSubscription{SubscriptionID: id, Reconcile: reconcile}, id)
	case seen.Order != nil && seen.Order.Paid && !seen.Order.Recurring:
		return b.recordPack(ctx, tx, row, seen, paid, reconcile)
	default:
		return nil
	}
}

// recordCheckoutStatus writes whether a checkout is over, and when it is looked at next.
func (b *Books) recordCheckoutStatus(ctx context.Context, tx *postgres.Tx, row db.CheckoutReadRow, status string, seen payments.Checkout, reconcile bool) error {
	now := b.now()
	end := seen.Status

	// It is open for longer than we wait: what comes of it later is booked all the same.
	if end == payments.CheckoutOpen && !now.Before(row.ExpiresAt) {
		end = payments.CheckoutExpired
	}

	if end != payments.CheckoutOpen && status != string(end) && status != string(payments.CheckoutCompleted) {
		if err := b.db.CheckoutEnd(ctx, tx, db.CheckoutEndParams{ID: row.ID, Status: string(end), Now: &now}); err != nil {
			return fmt.Errorf("end checkout: %w", err)
		}

		if reconcile && end == payments.CheckoutCompleted {
			if err := b.noteDifference(ctx, tx, Difference{Kind: MissedEnd, About: row.ID.String()}); err != nil {
				return err
			}
		}
	}

	return b.db.CheckoutLookAgain(ctx, tx, db.CheckoutLookAgainParams{ID: row.ID, NextLookAt: nextCheckoutLook(row, seen, now)})
}

// nextCheckoutLook is when a checkout is looked at if no webhook comes; nil: nothing more comes of it.
func nextCheckoutLook(row db.CheckoutReadRow, seen payments.Checkout, now time.Time) *time.Time {
	paid := seen.SubscriptionID != "" || seen.Order != nil && seen.Order.Paid && !seen.Order.Recurring
	late := !now.Before(row.CreatedAt.Add(latePayment)) && !now.Before(row.ExpiresAt)

	if seen.Status == payments.CheckoutExpired || paid || late {
		return nil
	}

	return new(now.Add(min(max(now.Sub(row.CreatedAt)/2, firstLook), rarest)))
}

// recordPack writes the payment of a pack, and gives and takes what follows from it.
func (b *Books) recordPack(ctx context.Context, tx *postgres.Tx, row db.CheckoutReadRow, seen payments.Checkout, paid *payments.Transaction, reconcile bool) error {
	o := seen.Order
	p := db.OrderPackParams{
		Subject: &row.Subject, CheckoutID: &row.ID, OrderID: &o.ID, TransactionID: textOf(o.TransactionID), CustomerMask: maskCustomer(seen.Customer.ID),
		Email: seen.Customer.Email, Currency: o.Money.Currency, Net: o.Money.Net, Tax: o.Money.Tax, Paid: o.Money.Paid, PaidAt: o.CreatedAt.UTC(),
	}

	if paid != nil {
		p.TransactionID, p.Net, p.Tax, p.Paid = &paid.ID, paid.Money.Net, paid.Money.Tax, paid.Money.Paid
	}

	product, ok := b.Products.OfVendor(o.ProductID)
	if ok {
		p.ProductID, p.CreditsEach = &product.ID, &product.Credits
	}

	if err := b.noteProduct(ctx, tx, row.ID, o.ID, ok); err != nil {
		return err
	}

	// A scan may have met it first, or be about to say that it is unknown.
	names := []string{o.ID, postgres.TextOrEmpty(p.TransactionID)}
	for _, about := range names {
		if err := b.db.PaymentTurn(ctx, tx, about); err != nil {
			return fmt.Errorf("wait for a turn on payment: %w", err)
		}
	}

	got, err := b.db.OrderPack(ctx, tx, p)
	if err != nil {
		return fmt.Errorf("write order: %w", err)
	}

	if got.Fresh {
		for _, about := range names {
			if err := b.settleDifference(ctx, tx, UnknownPayment, about); err != nil {
				return err
			}
		}

		if err := b.noteOrder(ctx, tx, got.ID, p.ProductID, payments.Money{Currency: p.Currency, Paid: p.Paid}, product.Credits, reconcile); err != nil {
			return err
		}
	}

	return b.settleOrder(ctx, tx, got.ID, paid, reconcile)
}

// noteProduct writes down that something was paid which we do not sell, or that it is known by now. Until it is, its checkout is looked at.
func (b *Books) noteProduct(ctx context.Context, tx *postgres.Tx, checkout uuid.UUID, order string, known bool) error {
	if known {
		return b.settleDifference(ctx, tx, UnknownProduct, order)
	}

	if err := b.db.CheckoutLookAgain(ctx, tx, db.CheckoutLookAgainParams{ID: checkout, NextLookAt: new(b.now().Add(rarest))}); err != nil {
		return fmt.Errorf("look at checkout again: %w", err)
	}

	return b.noteDifference(ctx, tx, Difference{Kind: UnknownProduct, About: order})
}

// noteOrder counts a payment that was not known, and notes it as a difference where no webhook told of it.
func (b *Books) noteOrder(ctx context.Context, tx *postgres.Tx, id uuid.UUID, product *string, paid payments.Money, gives int64, reconcile bool) error {
	label := "unknown"
	if product != nil {
		label = *product
	}

	tx.AfterCommit(func() { b.metrics.countOrder(label, paid) })

	if !reconcile {
		return nil
	}

	return b.noteDifference(ctx, tx, Difference{Kind: MissedPayment, About: id.String(), Credits: gives})
}
