package user

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/plan"
	"imagerun/internal/user/db"
)

const (
	planAge   = time.Minute // how old an answer of PlanOf may be
	plansKept = 1 << 14     // how many users' plans a process remembers
)

// knownPlan is what was read of a user, and when.
type knownPlan struct {
	id string
	at time.Time
}

// PlanOf returns what the plan of a user allows. It may be a minute old, and older while Postgres
// does not say. Whom we do not know has the default one.
func (d *Directory) PlanOf(ctx context.Context, userID uuid.UUID) (plan.Plan, error) {
	now := d.now()

	known, ok := d.known.Get(userID)
	if ok && now.Sub(known.at) < planAge {
		return d.plans.Of(known.id), nil
	}

	id, err := d.db.UserPlan(ctx, d.pool, userID)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		id = plan.Default
	case err != nil && ok:
		id = known.id // better an old one than none; asked again in a minute
	case err != nil:
		return plan.Plan{}, fmt.Errorf("read plan of %s: %w", userID, err)
	}

	d.known.Add(userID, knownPlan{id, now})

	return d.plans.Of(id), nil
}

// SetPlan gives a user a plan. Every process knows within a minute.
func SetPlan(ctx context.Context, tx db.DBTX, userID uuid.UUID, p plan.Plan) error {
	if err := db.New().UserSetPlan(ctx, tx, db.UserSetPlanParams{UserID: userID, Plan: p.ID}); err != nil {
		return fmt.Errorf("set plan of user %s: %w", userID, err)
	}

	return nil
}

// ReplacePlan is [SetPlan] for a user who has the plan was, or the default one. One to whom an operator gave another keeps it.
func ReplacePlan(ctx context.Context, tx db.DBTX, userID uuid.UUID, was string, p plan.Plan) error {
	_, err := db.New().UserReplacePlan(ctx, tx, db.UserReplacePlanParams{UserID: userID, Plan: p.ID, Was: []string{was, plan.Default}})

	return fault.Wrap(err, "replace the plan of a user")
}
