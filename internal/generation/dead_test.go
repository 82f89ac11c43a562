package generation_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/queue/durable"
)

// Whatever operators retry at once, no more is handed to the provider than it has slots for: what died has ended, and its slot is
// another's.
func TestProve_DeadSubmitsRetriedAtOnce(t *testing.T) {
	t.Parallel()

	const slots = 3

	many := 30
	if os.Getenv("IMAGERUN_PROVE") != "" {
		many = 1000
	}

	b := setupOn(t, devtest.Postgres(t), func(o *generation.Options) { o.Slots = many }) // operators lock jobs in an order of their own
	studio := b.somebody(t, "studio")
	ids := b.wait(t, studio, many)

	n, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)
	require.Equal(t, many, n)

	admin := durable.NewAdmin(b.jobs.Queue())
	order := durable.Order{Filter: durable.Filter{Limit: many}, Operator: "ada"}
	_, err = admin.Cancel(t.Context(), order)
	require.NoError(t, err)
	b.pass(t, time.Minute)
	require.Len(t, b.jobs.Dead(), many)

	b.Admission.Options.Slots = slots
	b.wait(t, studio, 2*slots)

	n, err = b.Admit(t.Context(), "fal")
	require.NoError(t, err)
	require.Equal(t, slots, n)

	_, err = admin.Retry(t.Context(), order)
	require.NoError(t, err)
	require.Empty(t, b.jobs.Dead())
	b.pass(t, time.Minute)

	require.Equal(t, slots, b.provider.asked(), "nothing that had ended is begun again")
	require.Equal(t, slots, b.unfinished(t))

	for _, id := range []uuid.UUID{ids[0], ids[many-1]} {
		g, err := b.Get(t.Context(), studio, id)
		require.NoError(t, err)
		require.Equal(t, generation.FailureByOperator, g.FailureCode)
	}
}
