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
)

// checkoutLooker brings the books up to what the vendor says of a checkout.
type checkoutLooker struct{ *Books }

// Handle implements [queue.Handler].
func (h checkoutLooker) Handle(ctx context.Context, job *queue.Job[jobs.LookAtCheckout]) error {
	queue.About(ctx, slog.Any("checkout_id", job.Args.CheckoutID))

	// 1. Which one is it?
	row, err := h.db.CheckoutRead(ctx, h.Pool, job.Args.CheckoutID)
	if postgres.IsNotFound(err) || err == nil && row.VendorID == nil {
		return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error { return job.Complete(ctx, tx) })
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
	again := false

	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		now, err := h.db.CheckoutLock(ctx, tx, row.ID)
		if err != nil {
			return fmt.Errorf("lock checkout: %w", err)
		}

		if err := h.recordCheckout(ctx, tx, row, now.Status, seen, paid, job.Args.Reconcile); err != nil {
			return err
		}

		if again = now.Hints != row.Hints; again {
			return nil
		}

		return job.Complete(ctx, tx)
	})
	if err == nil && again {
		return queue.Snooze(0)
	}

	return err
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

// recordCheckoutStatus writes whether a checkout is over.
func (b *Books) recordCheckoutStatus(ctx context.Context, tx *postgres.Tx, row db.CheckoutReadRow, status string, seen payments.Checkout, reconcile bool) error {
	now := b.now()

	// It is open for longer than we wait: what comes of it later is booked all the same.
	if seen.Status == payments.CheckoutOpen && now.Before(row.ExpiresAt) {
		next := now.Add(min(max(now.Sub(row.CreatedAt)/2, firstLook), rarest))

		return b.db.CheckoutLookAgain(ctx, tx, db.CheckoutLookAgainParams{ID: row.ID, NextLookAt: &next})
	}

	end := seen.Status
	if end == payments.CheckoutOpen {
		end = payments.CheckoutExpired
	}

	if status == string(end) || status == string(payments.CheckoutCompleted) {
		return b.db.CheckoutLookAgain(ctx, tx, db.CheckoutLookAgainParams{ID: row.ID})
	}

	if err := b.db.CheckoutEnd(ctx, tx, db.CheckoutEndParams{ID: row.ID, Status: string(end), Now: &now}); err != nil {
		return fmt.Errorf("end checkout: %w", err)
	}

	if reconcile && end == payments.CheckoutCompleted {
		return b.noteDifference(ctx, tx, Difference{Kind: MissedEnd, About: row.ID.String()})
	}

	return nil
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
	} else if err := b.noteDifference(ctx, tx, Difference{Kind: UnknownProduct, About: o.ID}); err != nil {
		return err
	}

	got, err := b.db.OrderPack(ctx, tx, p)
	if err != nil {
		return fmt.Errorf("write order: %w", err)
	}

	if got.Fresh {
		// A scan may have met it first.
		for _, about := range []string{o.ID, postgres.TextOrEmpty(p.TransactionID)} {
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
