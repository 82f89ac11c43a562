package generation_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

func TestCancelMany(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })
	running := b.start(t)
	waiting, deleted, theirs := b.submit(t), b.submit(t), b.submit(t, func(s *generation.Submission) { s.UserID = uuid.New() })
	require.NoError(t, b.Delete(t.Context(), b.user, deleted.ID))

	ids := []uuid.UUID{running.ID, waiting.ID, deleted.ID, theirs.ID, uuid.New()}
	want := []generation.Cancellation{
		generation.CancellationRequested, generation.CancellationDone, generation.CancellationDeleted,
		generation.CancellationNotFound, generation.CancellationNotFound,
	}

	for range 2 { // again it answers the same
		done, err := b.CancelMany(t.Context(), b.user, ids)
		require.NoError(t, err)
		require.Equal(t, want, done)
	}

	b.provider.finish(t, 0)
	b.provider.answer(errUnanswered)
	b.jobs.RunAll(t.Context())
	require.Equal(t, generation.StatusSucceeded, b.get(t, running.ID).Status)

	done, err := b.CancelMany(t.Context(), b.user, ids[:1])
	require.NoError(t, err)
	require.Equal(t, []generation.Cancellation{generation.CancellationTooLate}, done)
	b.check(t)
}

// All that wait are those that have no turn yet: what runs goes on, and nobody else's is touched.
func TestCancelWaiting(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })
	running := b.start(t)
	theirs := b.somebody(t, "free")
	b.wait(t, theirs, 1)

	ids := b.wait(t, b.user, 100)
	_, err := b.pool.Exec(t.Context(), `update generation_user set plan = 'pro' where user_id = $1`, b.user)
	require.NoError(t, err)

	ids = append(ids, b.wait(t, b.user, 1)...)

	usage, err := b.UsageOf(t.Context(), b.user)
	require.NoError(t, err)
	require.Equal(t, generation.Usage{Slots: 1, Waiting: 101}, usage)

	done, err := b.CancelWaiting(t.Context(), b.user)
	require.NoError(t, err)
	require.Len(t, done.IDs, 100)
	require.Equal(t, ids[100], done.IDs[0], "the newest first")
	require.True(t, done.HasMore)

	done, err = b.CancelWaiting(t.Context(), b.user)
	require.NoError(t, err)
	require.Equal(t, ids[:1], done.IDs)
	require.False(t, done.HasMore)

	require.Equal(t, generation.StatusRunning, b.get(t, running.ID).Status)
	require.False(t, b.get(t, running.ID).Canceling())

	usage, err = b.UsageOf(t.Context(), theirs)
	require.NoError(t, err)
	require.Equal(t, 1, usage.Waiting)
	b.check(t)
}
