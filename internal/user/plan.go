package generation

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"imagerun/internal/generation/catalogue"
)

const (
	planAge   = time.Minute // how old an answer of PlanOf may be
	planUsers = 1 << 14     // how many users' plans a process remembers
)

// knownPlan is what was read of a user, and when.
type knownPlan struct {
	id string
	at time.Time
}

// planCache remembers plans by their users, so that not every request asks Postgres for its own.
type planCache = lru.Cache[uuid.UUID, knownPlan]

func newPlanCache() *planCache {
	c, err := lru.New[uuid.UUID, knownPlan](planUsers)
	if err != nil {
		panic(err) // the size is not positive
	}

	return c
}

// PlanOf returns what the plan of a user allows. It may be a minute old, and older while Postgres
// does not say. Who never generated has the default one.
func (s *Service) PlanOf(ctx context.Context, userID uuid.UUID) (catalogue.Plan, error) {
	now := s.Now()

	known, ok := s.plans.Get(userID)
	if ok && now.Sub(known.at) < planAge {
		return s.Plans.Of(known.id), nil
	}

	id, err := s.db.UserPlan(ctx, s.Pool, userID)

	switch {
	case notFound(err):
		id = catalogue.DefaultPlan
	case err != nil && ok:
		id = known.id // better an old one than none; asked again in a minute
	case err != nil:
		return catalogue.Plan{}, fmt.Errorf("read plan of %s: %w", userID, err)
	}

	s.plans.Add(userID, knownPlan{id, now})

	return s.Plans.Of(id), nil
}
