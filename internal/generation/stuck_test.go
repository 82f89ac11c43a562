package generation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/queue/queuetest"
)

// bury ends the cancel job as an operator's order or its last failure did an hour ago.
func bury(t *testing.T, b *bundle) {
	t.Helper()

	tag, err := b.pool.Exec(t.Context(), `update job set state = 'dead', died_at = now() - interval '1 hour' where kind = 'generation.cancel'`)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

// expire lets the deadline come of what runs, whose attempt is to be called off then.
func expire(t *testing.T, b *bundle) {
	t.Helper()
	b.now.Move(b.deps.Options.Deadline)

	n, err := b.ExpireDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// erased reports whether nothing is left of any generation.
func erased(t *testing.T, b *bundle) bool {
	t.Helper()

	var rows int

	require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from ai_task) + (select count(*) from provider_attempt)`).Scan(&rows))

	return rows == 0
}

// An erasure that was promised does not wait for ever for a cancel job that died.
func TestErase_WithoutItsCancelJob(t *testing.T) {
	t.Parallel()

	t.Run("ItIsBegunAnew", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		expire(t, b)
		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		bury(t, b)

		// For an hour it is patient.
		b.pass(t, time.Second)
		require.Equal(t, jobs.EraseGeneration{TaskID: g.ID}, queuetest.Require[jobs.EraseGeneration](b.jobs))
		require.Zero(t, failures(t, b))

		b.pass(t, time.Hour)
		require.True(t, b.provider.canceled["request-a"], "the cancel job was begun anew")
		require.Equal(t, 1, failures(t, b), "and the wait has become a failure that is counted")

		b.pass(t, time.Minute)
		require.True(t, erased(t, b))
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
	})

	t.Run("ItFailsForGood", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.cancel = func() (providers.CancelOutcome, error) { return "", errors.New("refused") }

		expire(t, b) // ten minutes have passed
		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))

		// Until the provider cannot have anything any more: the longest deadline, the output's
		// lifetime and an hour.
		for range 160 {
			b.pass(t, time.Minute)
			require.False(t, erased(t, b))
		}

		for range 30 {
			b.pass(t, time.Minute)
		}

		require.True(t, erased(t, b))
		require.True(t, b.provider.erased["request-a"], "it is told to forget, whatever it has")
		b.pass(t, time.Hour)
		require.Empty(t, b.jobs.Pending())
	})
}

// failures is how often the erase job has failed.
func failures(t *testing.T, b *bundle) (n int) {
	t.Helper()

	require.NoError(t, b.pool.QueryRow(t.Context(), `select attempt from job where kind = 'generation.erase'`).Scan(&n))

	return n
}

// A request that says for ever that it is about to stop is settled at the deadline, and let go when nothing can come of it.
func TestCancel_NeverAnswered(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.cancel = func() (providers.CancelOutcome, error) { return providers.CancelRequested, nil }

	_, err := b.Cancel(t.Context(), b.user, g.ID)
	require.NoError(t, err)
	b.pass(t, 9*time.Minute)
	require.True(t, b.get(t, g.ID).Canceling())

	expire(t, b)
	require.Zero(t, b.get(t, g.ID).Cost.Held)

	b.pass(t, 2*time.Hour-19*time.Minute)
	require.NotEmpty(t, b.jobs.Pending())

	b.pass(t, 65*time.Minute)
	b.jobs.RunAll(t.Context())
	require.True(t, b.provider.erased["request-a"])
	require.Empty(t, b.jobs.Pending())
	require.Equal(t, generation.StatusCanceled, b.get(t, g.ID).Status)
	b.check(t)
}

// A search asks for the minutes in which the call can have been made, however late it is: up to now
// there may be more requests than the provider lists.
func TestFind_AsksForAShortWindow(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }
	made := b.now.Now()
	b.start(t)
	b.provider.find = func() error { return &providers.Error{Class: providers.Transient, Code: "provider_error"} }

	b.pass(t, 95*time.Second)
	require.WithinDuration(t, made.Add(-10*time.Second), b.provider.window[0], time.Second)
	require.WithinDuration(t, b.now.Now().Add(10*time.Second), b.provider.window[1], time.Second, "not beyond now")

	b.pass(t, 5*time.Minute)
	require.WithinDuration(t, made.Add(130*time.Second), b.provider.window[1], time.Second)
}
