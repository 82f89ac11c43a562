package user_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/plan"
	"imagerun/internal/user"
)

func TestPlanOf(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := uuid.New()

	planOf := func(id uuid.UUID) string {
		t.Helper()

		p, err := b.PlanOf(t.Context(), id)
		require.NoError(t, err)
		require.Positive(t, p.Rate.Requests)

		return p.ID
	}

	require.Equal(t, plan.Default, planOf(id), "who is not known")

	require.NoError(t, user.SetPlan(t.Context(), b.pool, id, b.plans.Of("pro")))
	require.Equal(t, plan.Default, planOf(id), "a minute has not passed")
	b.now.Move(time.Minute)
	require.Equal(t, "pro", planOf(id))
	require.Equal(t, plan.Default, planOf(uuid.New()), "another user")

	require.NoError(t, user.SetPlan(t.Context(), b.pool, id, plan.Plan{ID: "no longer sold"}))
	b.now.Move(time.Minute)
	require.Equal(t, plan.Default, planOf(id))

	require.NoError(t, user.SetPlan(t.Context(), b.pool, id, b.plans.Of("studio")))
	b.now.Move(time.Minute)
	require.Equal(t, "studio", planOf(id))

	// Without Postgres: what was known, for the users of whom something was.
	b.pool.Close()
	b.now.Move(time.Hour)
	require.Equal(t, "studio", planOf(id))

	_, err := b.PlanOf(t.Context(), uuid.New())
	require.ErrorContains(t, err, "read plan of")
}
