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

// How often a payment is looked at whose refund is under way, and for how long.
const (
	refundEvery = time.Hour
	refundWatch = 90 * 24 * time.Hour // after the payment
)

// orderLooker brings the books up to what the vendor says of the payment of a pack.
type orderLooker struct{ *Books }

// Handle implements [queue.Handler].
func (h orderLooker) Handle(ctx context.Context, job *queue.Job[jobs.LookAtOrder]) error {
	queue.About(ctx, slog.Any("order_id", job.Args.OrderID))

	// 1. Which one is it?
	row, err := h.db.OrderRead(ctx, h.Pool, job.Args.OrderID)
	if postgres.IsNotFound(err) {
		return endEmpty(ctx, h.Pool, job)
	}

	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}

	if row.SubscriptionID != nil {
		return h.passOn(ctx, job, *row.SubscriptionID)
	}

	// 2. What does the vendor say? Without a transaction, its checkout has to be looked at.
	var seen payments.Transaction

	if row.TransactionID != nil {
		if seen, err = h.Vendor.FindTransaction(ctx, *row.TransactionID); err != nil && payments.ClassOf(err) != payments.NotFound {
			return err
		}
	}

	missing := err != nil

	// 3. The books follow, and the job ends, unless a hint came meanwhile.
	return endLook(ctx, h.Pool, job, row.Hints, func(tx *postgres.Tx) (int32, error) {
		now, err := h.db.OrderLock(ctx, tx, row.ID)
		if err != nil {
			return 0, fmt.Errorf("lock order: %w", err)
		}

		switch {
		case missing:
			err = h.noteDifference(ctx, tx, Difference{Kind: NotAtVendor, About: row.ID.String()})
		case row.TransactionID == nil && row.CheckoutID != nil:
			err = h.stageLook(ctx, tx, jobs.LookAtCheckout{CheckoutID: *row.CheckoutID, Reconcile: job.Args.Reconcile}, *row.CheckoutID)
		case row.TransactionID != nil:
			err = h.settleOrder(ctx, tx, row.ID, &seen, job.Args.Reconcile)
		}

		return now.PaymentOrder.Hints, err
	})
}

// passOn has the subscription looked at that a payment is of: its plan goes with the credits.
func (h orderLooker) passOn(ctx context.Context, job *queue.Job[jobs.LookAtOrder], subscription uuid.UUID) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.SubscriptionAskLook(ctx, tx, subscription); err != nil {
			return fmt.Errorf("ask for a look: %w", err)
		}

		if err := h.stageLook(ctx, tx, jobs.LookAtSubscription{SubscriptionID: subscription, Reconcile: job.Args.Reconcile}, subscription); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// settleOrder writes what was paid back of a payment, as far as the vendor says so now, and gives and takes what follows. Nil: it was
// not read, and nothing more is known of it.
func (b *Books) settleOrder(ctx context.Context, tx *postgres.Tx, id uuid.UUID, seen *payments.Transaction, reconcile bool) error {
	o, err := b.lockOrder(ctx, tx, id, seen, reconcile)
	if err != nil {
		return err
	}

	return b.giveCredits(ctx, tx, o)
}

// lockOrder locks a payment and writes what was paid back of it.
func (b *Books) lockOrder(ctx context.Context, tx *postgres.Tx, id uuid.UUID, seen *payments.Transaction, reconcile bool) (*db.PaymentOrder, error) {
	locked, err := b.db.OrderLock(ctx, tx, id)
	if err != nil {
		return nil, fmt.Errorf("lock order: %w", err)
	}

	o := &locked.PaymentOrder
	if seen == nil {
		return o, nil
	}

	return o, b.recordReturn(ctx, tx, o, *seen, reconcile)
}

// recordReturn writes what was refunded or disputed of a payment. It only grows.
func (b *Books) recordReturn(ctx context.Context, tx *postgres.Tx, o *db.PaymentOrder, seen payments.Transaction, reconcile bool) error {
	disputed := seen.Status == payments.TransactionChargedBack
	refunded := min(seen.Refunded, max(o.Paid, 0))
	before := *o

	_, err := b.db.OrderTakeBack(ctx, tx, db.OrderTakeBackParams{ID: o.ID, Refunded: refunded, Disputed: disputed})

	switch {
	case postgres.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("write refund: %w", err)
	default:
		o.Refunded, o.Disputed, o.RefundPending = max(o.Refunded, refunded), o.Disputed || disputed, false

		if err := b.noteReturn(ctx, tx, before, *o, reconcile); err != nil {
			return err
		}

		if err := b.endRefunds(ctx, tx, o); err != nil {
			return err
		}
	}

	var next *time.Time

	// No webhook tells of the end of a refund that was under way.
	if at := b.now(); o.RefundPending && at.Before(o.PaidAt.Add(refundWatch)) {
		next = new(at.Add(refundEvery))
	}

	return b.db.OrderLookAgain(ctx, tx, db.OrderLookAgainParams{ID: o.ID, NextLookAt: next})
}

// endRefunds ends what a person had to return, now that it is back.
func (b *Books) endRefunds(ctx context.Context, tx *postgres.Tx, o *db.PaymentOrder) error {
	now := b.now()

	ids, err := b.db.RefundsArrived(ctx, tx, db.RefundsArrivedParams{OrderID: o.ID, Refunded: o.Refunded, Now: &now})
	if err != nil {
		return fmt.Errorf("end refunds of order %s: %w", o.ID, err)
	}

	for _, id := range ids {
		if err := b.settleDifference(ctx, tx, RefundByHand, id.String()); err != nil {
			return err
		}
	}

	return nil
}

// noteReturn counts money that went back, and notes it as a difference where no webhook told of it.
func (b *Books) noteReturn(ctx context.Context, tx *postgres.Tx, before, after db.PaymentOrder, reconcile bool) error {
	label := "unknown"
	if after.ProductID != nil {
		label = *after.ProductID
	}

	fresh := after.Disputed && !before.Disputed
	amount := after.Refunded - before.Refunded

	if fresh {
		amount = after.Paid - before.Refunded
	}

	tx.AfterCommit(func() { b.metrics.countReturned(label, after.Currency, fresh, amount) })

	if !reconcile {
		return nil
	}

	kind, about := MissedRefund, fmt.Sprintf("%s:%d", after.ID, after.Refunded)
	if fresh {
		kind, about = MissedDispute, after.ID.String()
	}

	return b.noteDifference(ctx, tx, Difference{Kind: kind, About: about, Credits: -takenOf(after, after.Credits)})
}
