package books

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/jobs"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

const (
	// settleBatch is how much is listed at once.
	settleBatch = 200
	// changePatience is how long a change may be unknown before it did not happen: looks follow within minutes.
	changePatience = time.Hour
)

// settler does what only time brings.
type settler struct{ *Books }

// Handle implements [queue.Handler]. Each is a transaction of its own; one that fails keeps no other from it.
func (h settler) Handle(ctx context.Context, _ *queue.Job[jobs.SettlePayments]) error {
	return h.Settle(ctx)
}

// Settle gives the credits of months that have begun, and ends plans, checkouts and changes that are over.
func (b *Books) Settle(ctx context.Context) error {
	now := b.now()

	failed := errors.Join(b.settleMonths(ctx, now), b.settlePlans(ctx, now))

	if _, err := b.db.ChangesStale(ctx, b.Pool, db.ChangesStaleParams{Now: &now, Before: now.Add(-changePatience)}); err != nil {
		return fmt.Errorf("end changes that did not happen: %w", err)
	}

	stale, err := b.db.CheckoutsStale(ctx, b.Pool, db.CheckoutsStaleParams{Now: now, Most: settleBatch})
	if err != nil {
		return fmt.Errorf("list checkouts that are over: %w", err)
	}

	for _, id := range stale {
		if err := b.db.CheckoutExpire(ctx, b.Pool, db.CheckoutExpireParams{ID: id, Now: &now}); err != nil {
			return fmt.Errorf("end checkout: %w", err)
		}
	}

	return failed
}

// settleMonths gives the credits of months that have begun. It returns what failed, once all were tried.
func (b *Books) settleMonths(ctx context.Context, now time.Time) error {
	var failed failures

	for after := (db.OrdersDueRow{}); ; {
		due, err := b.db.OrdersDue(ctx, b.Pool, db.OrdersDueParams{Now: &now, After: after.DueAt, AfterID: after.ID, Most: settleBatch})
		if err != nil {
			return fmt.Errorf("list orders whose credits are due: %w", err)
		}

		for _, o := range due {
			failed.addError(b.settleMonth(ctx, o))

			after = o
		}

		if len(due) < settleBatch {
			return failed.wrapFirst("give the credits of months")
		}
	}
}

// settlePlans ends plans that are over. It returns what failed, once all were tried.
func (b *Books) settlePlans(ctx context.Context, now time.Time) error {
	var failed failures

	for after := (db.PlansDueRow{}); ; {
		due, err := b.db.PlansDue(ctx, b.Pool, db.PlansDueParams{Now: &now, After: after.DueAt, AfterSubject: after.Subject, Most: settleBatch})
		if err != nil {
			return fmt.Errorf("list plans that may be over: %w", err)
		}

		for _, p := range due {
			failed.addError(b.settlePlan(ctx, p.Subject))

			after = p
		}

		if len(due) < settleBatch {
			return failed.wrapFirst("end plans")
		}
	}
}

// failures counts what failed of many, and keeps the first: the others mostly say the same.
type failures struct {
	count int
	first error
}

func (f *failures) addError(err error) {
	if err == nil {
		return
	}

	f.count++
	f.first = cmp.Or(f.first, err)
}

// wrapFirst is nil if nothing failed.
func (f *failures) wrapFirst(doing string) error {
	if f.count == 0 {
		return nil
	}

	return fmt.Errorf("%s: %d failed, the first: %w", doing, f.count, f.first)
}

// settleMonth gives the next credits of a period. Its subscription is locked before it, as by a look.
func (b *Books) settleMonth(ctx context.Context, o db.OrdersDueRow) error {
	return postgres.RetryTx(ctx, b.Pool, func(tx *postgres.Tx) error {
		if o.SubscriptionID != nil {
			if _, err := b.db.SubscriptionLock(ctx, tx, *o.SubscriptionID); err != nil {
				return fmt.Errorf("lock subscription: %w", err)
			}
		}

		return b.settleOrder(ctx, tx, o.ID, nil, false)
	})
}

func (b *Books) settlePlan(ctx context.Context, subject uuid.UUID) error {
	return postgres.RetryTx(ctx, b.Pool, func(tx *postgres.Tx) error { return b.refreshPlan(ctx, tx, subject) })
}
