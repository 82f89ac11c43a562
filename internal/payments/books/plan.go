package books

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/plan"
	"imagerun/internal/postgres"
	"imagerun/internal/user"
)

// grace is how long a plan stays after the end of what was paid while the vendor still tries to be paid for the next period.
const grace = 3 * 24 * time.Hour

// refreshPlan gives a person the plan that their payments give them now, unless an operator gave them another. It is locked until the end of tx: who pays for one person
// takes turns.
func (b *Books) refreshPlan(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) error {
	had, err := b.db.PlanLock(ctx, tx, db.PlanLockParams{Subject: subject, Plan: plan.Default})
	if err != nil {
		return fmt.Errorf("lock plan: %w", err)
	}

	now := b.now()

	periods, err := b.db.PeriodsOf(ctx, tx, db.PeriodsOfParams{Subject: &subject, Since: now.Add(-grace)})
	if err != nil {
		return fmt.Errorf("read paid periods: %w", err)
	}

	has, until := b.bestPlan(periods, now)

	if has != had {
		userID, err := b.Ledger.UserOf(ctx, tx, subject)
		if err != nil {
			return err
		}

		if userID != uuid.Nil {
			if err := user.ReplacePlan(ctx, tx, userID, had, b.Plans.Of(has)); err != nil {
				return err
			}
		}
	}

	if err := b.db.PlanSet(ctx, tx, db.PlanSetParams{Subject: subject, Plan: has, Until: until}); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}

	return nil
}

// bestPlan is the best plan that paid periods give at a time, and when that must be thought of again; nil: it stays.
func (b *Books) bestPlan(periods []db.PeriodsOfRow, now time.Time) (best string, until *time.Time) {
	best = plan.Default
	rank := 0

	for _, p := range periods {
		end := planEnd(p)
		if p.Disputed || p.Paid > 0 && p.Refunded >= p.Paid || !end.After(now) {
			continue
		}

		next := end
		if p.PeriodStart.After(now) {
			next = *p.PeriodStart // it was paid in advance
		} else {
			for _, id := range planProducts(p) {
				if product, ok := b.Products.Find(id); ok && product.Rank > rank {
					best, rank = product.Plan, product.Rank
				}
			}
		}

		if until == nil || next.Before(*until) {
			until = &next
		}
	}

	return best, until
}

// planProducts are the products whose plan a period gives: the one that was paid, and the one that its subscription was changed to since.
func planProducts(p db.PeriodsOfRow) (ids []string) {
	if p.ProductID != nil {
		ids = append(ids, *p.ProductID)
	}

	current := p.CurrentEnd != nil && p.CurrentEnd.Equal(*p.PeriodEnd)
	if p.CurrentProduct != nil && current && !p.ChangeReturned {
		ids = append(ids, *p.CurrentProduct)
	}

	return ids
}

// planEnd is until when a period gives its plan.
func planEnd(p db.PeriodsOfRow) time.Time {
	switch payments.SubscriptionStatus(p.Status) {
	case payments.SubscriptionActive, payments.SubscriptionPastDue:
		return p.PeriodEnd.Add(grace)
	default:
		return *p.PeriodEnd
	}
}
