package generation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/queue/queuetest"
)

func TestEnd(t *testing.T) {
	t.Parallel()

	t.Run("CancelWhileWaiting", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)

		got, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		require.Equal(t, generation.StatusCanceled, got.Status)

		again, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		require.Equal(t, got.StatusSequence, again.StatusSequence)

		_, err = b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("CancelAfterTheEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)

		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrNotCancelable)
	})

	t.Run("CancelOfAnUnknownSubmit_FindsAndErasesIt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }
		g := b.start(t)

		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		b.provider.finish(t, 0)
		b.pass(t, 91*time.Second)
		b.jobs.RunAll(t.Context())

		require.True(t, b.provider.canceled["request-a"])
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("PastTheDeadlineItExpires", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		running, waiting := b.start(t), b.submit(t)
		b.now.Move(11 * time.Minute)

		n, err := b.ExpireDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusExpired, b.get(t, running.ID).Status)
		require.Equal(t, generation.StatusExpired, b.get(t, waiting.ID).Status)
		require.True(t, b.provider.canceled["request-a"])
		b.pass(t, time.Hour)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("DeleteErasesEverywhereAndAnswersGone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t, images(2))
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)
		require.Len(t, b.bucket.keys(), 4)

		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		_, err := b.Get(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrDeleted)

		b.jobs.RunAll(t.Context())
		require.Empty(t, b.bucket.keys())

		var rows int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from ai_task) + (select count(*) from ai_image)
			+ (select count(*) from provider_attempt) + (select count(*) from generation_event)`).Scan(&rows))
		require.Zero(t, rows)

		_, err = b.Get(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrDeleted)
		require.ErrorIs(t, b.Delete(t.Context(), b.user, g.ID), generation.ErrDeleted)
	})

	t.Run("DeleteWhileItRuns", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)

		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		b.jobs.RunAll(t.Context())
		b.pass(t, 5*time.Second)
		b.pass(t, 30*time.Second) // the collector finds nothing left

		require.True(t, b.provider.canceled["request-a"])
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())

		var rows int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task`).Scan(&rows))
		require.Zero(t, rows)
	})

	t.Run("EraseFailsAndIsTriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		fails := 1
		b.provider.erase = func() error {
			if fails--; fails >= 0 {
				return &providers.Error{Class: providers.Transient, Code: "unavailable"}
			}

			return nil
		}

		b.start(t)
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)
		require.Len(t, queuetest.All[jobs.EraseAttempt](b.jobs), 1)
		b.pass(t, 10*time.Second)
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
	})
}
