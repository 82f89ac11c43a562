package books

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

const (
	// afterPeriod is how long after the end of a period a look is taken whose payment no webhook told.
	afterPeriod = 30 * time.Minute
	// lookDaily is how often a living subscription is looked at otherwise.
	lookDaily = 24 * time.Hour
	// maxPages bounds what is read of one customer's payments.
	maxPages = 200
)

var errTooManyPages = errors.New("a customer's list of payments does not end")

// subscriptionLooker brings the books up to what the vendor says of a subscription and of all its payments.
type subscriptionLooker struct{ *Books }

// Handle implements [queue.Handler].
func (h subscriptionLooker) Handle(ctx context.Context, job *queue.Job[jobs.LookAtSubscription]) error {
	queue.About(ctx, slog.Any("subscription_id", job.Args.SubscriptionID))

	// 1. Which one is it?
	row, err := h.db.SubscriptionRead(ctx, h.Pool, job.Args.SubscriptionID)
	if postgres.IsNotFound(err) {
		return endEmpty(ctx, h.Pool, job)
	}

	if err != nil {
		return fmt.Errorf("read subscription: %w", err)
	}

	// 2. What does the vendor say of it, and of its payments?
	seen, err := h.Vendor.FindSubscription(ctx, row.VendorID)
	if err != nil && payments.ClassOf(err) != payments.NotFound {
		return err
	}

	missing := err != nil

	var paid []payments.Transaction

	if !missing {
		if paid, err = h.listPayments(ctx, seen); err != nil {
			return err
		}

		if seen.Customer, err = h.findCustomer(ctx, seen.Customer); err != nil {
			return err
		}
	}

	// 3. The books follow, and the job ends, unless a hint came meanwhile.
	return endLook(ctx, h.Pool, job, row.Hints, func(tx *postgres.Tx) (int32, error) {
		now, err := h.db.SubscriptionLock(ctx, tx, row.ID)
		if err != nil {
			return 0, fmt.Errorf("lock subscription: %w", err)
		}

		if missing {
			return now.Hints, h.noteMissing(ctx, tx, row)
		}

		return now.Hints, h.recordSubscription(ctx, tx, now, seen, paid, job.Args.Reconcile)
	})
}

// listPayments reads every payment of a subscription. The vendor lists by customer; a row that moved to the next page comes twice.
func (h subscriptionLooker) listPayments(ctx context.Context, s payments.Subscription) ([]payments.Transaction, error) {
	known := map[string]payments.Transaction{}

	for page, read := 1, 0; page != 0; read++ {
		if read == maxPages {
			return nil, errTooManyPages
		}

		list, err := h.Vendor.ListTransactions(ctx, payments.TransactionFilter{CustomerID: s.Customer.ID}, page)
		if err != nil {
			return nil, err
		}

		for _, t := range list.Items {
			if t.SubscriptionID == s.ID {
				known[t.ID] = t
			}
		}

		page = list.Next
	}

	// What the lists may have hidden while they moved.
	if id := s.LastTransactionID; id != "" {
		if _, ok := known[id]; !ok {
			t, err := h.Vendor.FindTransaction(ctx, id)
			if err != nil {
				return nil, err
			}

			known[t.ID] = t
		}
	}

	paid := make([]payments.Transaction, 0, len(known))
	for _, t := range known {
		paid = append(paid, t)
	}

	slices.SortFunc(paid, func(a, b payments.Transaction) int {
		return cmp.Or(a.PeriodStart.Compare(b.PeriodStart), a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})

	return paid, nil
}

// noteMissing writes down that the vendor knows no such subscription.
func (b *Books) noteMissing(ctx context.Context, tx *postgres.Tx, row db.SubscriptionReadRow) error {
	now := b.now()
	if err := b.db.SubscriptionLookAgain(ctx, tx, db.SubscriptionLookAgainParams{ID: row.ID, LookedAt: &now}); err != nil {
		return err
	}

	return b.noteDifference(ctx, tx, Difference{Kind: NotAtVendor, About: row.ID.String()})
}

// recordSubscription brings a subscription, its payments, and the plan and credits that follow, up to what was seen.
func (b *Books) recordSubscription(ctx context.Context, tx *postgres.Tx, was db.SubscriptionLockRow, seen payments.Subscription, paid []payments.Transaction, reconcile bool) error {
	now := b.now()
	p := db.SubscriptionUpdateParams{
		ID: was.ID, Status: string(seen.Status), VendorUpdatedAt: new(seen.UpdatedAt.UTC()), PeriodStart: timeOf(seen.PeriodStart), PeriodEnd: timeOf(seen.PeriodEnd),
		CanceledAt: timeOf(seen.CanceledAt), CustomerID: textOf(seen.Customer.ID), CheckoutID: idOf(seen.CheckoutID), LookedAt: &now, NextLookAt: nextLook(seen, now),
	}

	product, ok := b.Products.OfVendor(seen.ProductID)
	if ok {
		p.ProductID = &product.ID

		if err := b.settleDifference(ctx, tx, UnknownProduct, was.VendorID); err != nil {
			return err
		}
	} else if err := b.noteDifference(ctx, tx, Difference{Kind: UnknownProduct, About: was.VendorID}); err != nil {
		return err
	}

	if err := b.db.SubscriptionUpdate(ctx, tx, p); err != nil {
		return fmt.Errorf("write subscription: %w", err)
	}

	is, err := b.db.SubscriptionLock(ctx, tx, was.ID)
	if err != nil {
		return fmt.Errorf("read subscription: %w", err)
	}

	if err := b.noteOwner(ctx, tx, is, len(paid) > 0); err != nil {
		return err
	}

	if reconcile && was.Status != "unknown" && was.Status != is.Status {
		if err := b.noteDifference(ctx, tx, Difference{Kind: MissedStatus, About: fmt.Sprintf("%s:%s:%d", was.ID, is.Status, seen.UpdatedAt.Unix())}); err != nil {
			return err
		}
	}

	return b.recordPayments(ctx, tx, is, seen.Customer, paid, reconcile)
}

// noteOwner writes down that a subscription which is paid leads to no person of ours, or that it does by now.
func (b *Books) noteOwner(ctx context.Context, tx *postgres.Tx, is db.SubscriptionLockRow, paid bool) error {
	switch {
	case is.Subject == nil && paid:
		return b.noteDifference(ctx, tx, Difference{Kind: UnknownOwner, About: is.VendorID})
	case is.Subject != nil:
		return b.settleDifference(ctx, tx, UnknownOwner, is.VendorID)
	default:
		return nil
	}
}

// recordPayments writes a subscription's changes and payments, and gives and takes what follows: first the plan, then the credits, in the
// order of locks.
func (b *Books) recordPayments(ctx context.Context, tx *postgres.Tx, s db.SubscriptionLockRow, who payments.Customer, paid []payments.Transaction, reconcile bool) error {
	changes, err := b.recordChanges(ctx, tx, s)
	if err != nil {
		return err
	}

	if err := b.noteWithoutPeriod(ctx, tx, paid); err != nil {
		return err
	}

	var orders []uuid.UUID

	for _, p := range matchPeriods(paid, changes) {
		id, err := b.recordPeriod(ctx, tx, s, who, p, reconcile)
		if err != nil {
			return err
		}

		orders = append(orders, id)
	}

	if s.Subject == nil {
		return nil
	}

	if err := b.refreshPlan(ctx, tx, *s.Subject); err != nil {
		return err
	}

	for _, c := range changes {
		if c.Status == "done" && c.Credits > 0 {
			if err := b.giveChange(ctx, tx, s, c); err != nil {
				return err
			}
		}
	}

	for _, id := range orders {
		if err := b.settleOrder(ctx, tx, id, nil, reconcile); err != nil {
			return err
		}
	}

	return nil
}

// noteWithoutPeriod writes down what was paid of a subscription and says not for when: it gives nothing by itself.
func (b *Books) noteWithoutPeriod(ctx context.Context, tx *postgres.Tx, paid []payments.Transaction) error {
	for _, t := range paid {
		if t.Status != payments.TransactionPaid || t.Money.Paid == 0 || !t.PeriodStart.IsZero() {
			continue
		}

		if err := b.noteDifference(ctx, tx, Difference{Kind: UnknownPayment, About: t.ID}); err != nil {
			return err
		}
	}

	return nil
}

// recordChanges ends the changes that the vendor has carried out.
func (b *Books) recordChanges(ctx context.Context, tx *postgres.Tx, s db.SubscriptionLockRow) ([]db.ChangesOfRow, error) {
	changes, err := b.db.ChangesOf(ctx, tx, s.ID)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}

	for i, c := range changes {
		if c.Status != "asked" || s.ProductID == nil || *s.ProductID != c.ToProduct {
			continue
		}

		now := b.now()
		if err := b.db.ChangeEnd(ctx, tx, db.ChangeEndParams{ID: c.ID, Status: "done", Now: &now}); err != nil {
			return nil, fmt.Errorf("end change: %w", err)
		}

		changes[i].Status = "done"
	}

	return changes, nil
}

// nextLook is when a subscription is looked at if no webhook comes; nil: it is over.
func nextLook(s payments.Subscription, now time.Time) *time.Time {
	switch s.Status {
	case payments.SubscriptionCanceled:
		return nil
	default:
		next := now.Add(lookDaily)
		if end := s.PeriodEnd.Add(afterPeriod); end.After(now) && end.Before(next) {
			next = end
		}

		return &next
	}
}
