package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation/catalogue"
)

func TestPlanOf(t *testing.T) {
	t.Parallel()

	b := setup(t)

	plan := func(user uuid.UUID) string {
		t.Helper()

		p, err := b.PlanOf(t.Context(), user)
		require.NoError(t, err)
		require.Positive(t, p.Rate.Requests)

		return p.ID
	}
	set := func(plan string) {
		t.Helper()

		_, err := b.pool.Exec(t.Context(), `insert into generation_user (user_id, plan) values ($1, $2)
			on conflict (user_id) do update set plan = $2`, b.user, plan)
		require.NoError(t, err)
	}

	require.Equal(t, catalogue.DefaultPlan, plan(b.user), "who never generated")

	set("pro")
	require.Equal(t, catalogue.DefaultPlan, plan(b.user), "a minute has not passed")
	b.now.Move(time.Minute)
	require.Equal(t, "pro", plan(b.user))
	require.Equal(t, catalogue.DefaultPlan, plan(uuid.New()), "somebody else")

	set("no longer sold")
	b.now.Move(time.Minute)
	require.Equal(t, catalogue.DefaultPlan, plan(b.user))

	set("studio")
	b.now.Move(time.Minute)
	require.Equal(t, "studio", plan(b.user))

	// Without Postgres: what was known, for those of whom something was.
	b.pool.Close()
	b.now.Move(time.Hour)
	require.Equal(t, "studio", plan(b.user))

	_, err := b.PlanOf(t.Context(), uuid.New())
	require.ErrorContains(t, err, "read plan of")
}
