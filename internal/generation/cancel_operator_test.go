package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// order cancels a generation by an operator.
func (b *bundle) order(t *testing.T, id uuid.UUID) (out generation.OperatorCancel, err error) {
	t.Helper()

	err = postgres.RetryTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		out, err = b.CancelByOperator(t.Context(), tx, id)

		return err
	})

	return out, err
}

// An operator's cancel is settled as its user's is, and says whose it was: at once before its provider has begun, and
// after that as the provider decides.
func TestCancelByOperator(t *testing.T) {
	t.Parallel()

	t.Run("ItWaits", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 12)
		g := b.submit(t, two)

		out, err := b.order(t, g.ID)
		require.NoError(t, err)
		require.Equal(t, generation.OperatorCancel{Changed: true, Status: generation.StatusCanceled, Returned: 10, Cost: b.get(t, g.ID).Cost.Cost}, out)
		require.Equal(t, generation.FailureByOperator, b.get(t, g.ID).FailureCode)
		require.Equal(t, []string{aside, all}, b.story(t))

		out, err = b.order(t, g.ID)
		require.NoError(t, err)
		require.False(t, out.Changed)
		require.Zero(t, out.Returned)
		b.check(t)
	})

	for name, c := range map[string]struct {
		answers []any
		then    func(t *testing.T, b *bundle)
		status  generation.Status
		code    generation.FailureCode
		want    []string
	}{
		"ItNeverBegan": {[]any{providers.CancelRemoved}, nil, generation.StatusCanceled, generation.FailureByOperator, []string{aside, all}},
		"ItIsStopped": {
			[]any{providers.CancelRequested}, func(_ *testing.T, b *bundle) { b.provider.stop("request-a") },
			generation.StatusCanceled, generation.FailureByOperator, []string{aside, all},
		},
		"ItDoesNotStop": {[]any{providers.CancelRequested}, finishFirst, generation.StatusSucceeded, "", []string{aside, first, second}},
		"ItNeverAnswers": {[]any{providers.CancelRequested}, func(t *testing.T, b *bundle) {
			t.Helper()
			b.now.Move(10 * time.Minute)

			_, err := b.ExpireDue(t.Context())
			require.NoError(t, err)
		}, generation.StatusCanceled, generation.FailureByOperator, []string{aside, all}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)
			g := b.start(t, two)
			b.provider.answer(c.answers...)

			out, err := b.order(t, g.ID)
			require.NoError(t, err)
			require.True(t, out.Changed)
			require.True(t, out.Canceling)
			require.EqualValues(t, 10, out.Cost.Held)
			require.True(t, b.get(t, g.ID).Canceling())

			_, err = b.Cancel(t.Context(), b.user, g.ID) // it stays the operator's
			require.NoError(t, err)

			b.jobs.RunAll(t.Context())
			require.True(t, b.provider.canceled["request-a"], "it is told at once")

			if c.then != nil {
				c.then(t, b)
			}

			b.pass(t, 3*time.Second)

			g = b.get(t, g.ID)
			require.Equal(t, c.status, g.Status)
			require.Equal(t, c.code, g.FailureCode)
			require.Equal(t, c.want, b.story(t))
			b.check(t)
		})
	}

	t.Run("ItsUserWasFirst", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.answer(providers.CancelRemoved)

		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)

		out, err := b.order(t, g.ID)
		require.NoError(t, err)
		require.False(t, out.Changed)
		require.True(t, out.Canceling)

		b.pass(t, 3*time.Second)
		require.Equal(t, generation.FailureCanceledByUser, b.get(t, g.ID).FailureCode)
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		gone := b.submit(t)

		finishFirst(t, b)
		b.pass(t, time.Minute)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)

		_, err := b.order(t, g.ID)
		require.ErrorIs(t, err, generation.ErrNotCancelable)

		require.NoError(t, b.Delete(t.Context(), b.user, gone.ID))
		_, err = b.order(t, gone.ID)
		require.ErrorIs(t, err, generation.ErrDeleted)

		_, err = b.order(t, uuid.New())
		require.ErrorIs(t, err, generation.ErrNotFound)
	})
}
