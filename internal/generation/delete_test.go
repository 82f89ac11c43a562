package generation_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/queue/durable"
	"imagerun/queue/queuetest"
)

// A deleted generation is gone for its owner, for a while, and was never there for anybody else.
func TestDelete_IsGoneForItsOwnerAlone(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.finish(t, 0)
	b.pass(t, 31*time.Second)
	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))

	gone := func(want error) {
		t.Helper()

		_, err := b.Get(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, want)
		_, err = b.Cancel(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, want)
		_, err = b.Events(t.Context(), b.user, g.ID, 0)
		require.ErrorIs(t, err, want)
		_, err = b.SetFavourite(t.Context(), b.user, g.ID, true)
		require.ErrorIs(t, err, want)
		require.ErrorIs(t, b.Delete(t.Context(), b.user, g.ID), want)

		_, err = b.Get(t.Context(), uuid.New(), g.ID)
		require.ErrorIs(t, err, generation.ErrNotFound)
	}

	gone(generation.ErrDeleted)

	b.jobs.RunAll(t.Context())

	var rows int

	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task`).Scan(&rows))
	require.Zero(t, rows)
	require.Empty(t, b.bucket.keys())
	gone(generation.ErrDeleted)

	b.now.Move(generation.TombstoneLifetime + time.Minute)
	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.PurgeTombstones{})

		return err
	}))
	b.jobs.RunAll(t.Context())
	gone(generation.ErrNotFound)
}

// What is deleted while its provider may have begun is hidden at once, settled by what the provider does, and erased then.
func TestDelete_WhileItRuns(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		answer providers.CancelOutcome
		then   func(t *testing.T, b *bundle)
		want   []string
	}{
		"ItIsStopped":   {providers.CancelRequested, func(_ *testing.T, b *bundle) { b.provider.stop("request-a") }, []string{aside, all}},
		"ItNeverBegan":  {providers.CancelRemoved, nil, []string{aside, all}},
		"ItDoesNotStop": {providers.CancelRequested, finishFirst, []string{aside, first, second}},
		"ItNeverAnswers": {providers.CancelRequested, func(t *testing.T, b *bundle) {
			t.Helper()
			b.now.Move(10 * time.Minute)

			_, err := b.ExpireDue(t.Context())
			require.NoError(t, err)
			b.pass(t, time.Second)
			require.Equal(t, []string{aside, all}, b.story(t), "its deadline settles it")
			require.False(t, erased(t, b), "its provider may have something yet")
			b.pass(t, 3*time.Hour) // until nothing can come of it
		}, []string{aside, all}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)
			b.provider.answer(c.answer)
			g := b.start(t, two)
			require.NoError(t, b.Delete(t.Context(), b.user, g.ID))

			_, err := b.Get(t.Context(), b.user, g.ID)
			require.ErrorIs(t, err, generation.ErrDeleted)
			require.ErrorIs(t, b.Delete(t.Context(), b.user, g.ID), generation.ErrDeleted)

			page, err := b.List(t.Context(), b.user, generation.Filter{})
			require.NoError(t, err)
			require.Empty(t, page.Generations)

			seen, err := b.Overview(t.Context(), b.user, nil)
			require.NoError(t, err)
			require.Empty(t, seen.Generations)

			b.jobs.RunAll(t.Context())
			require.True(t, b.provider.canceled["request-a"])

			if c.then != nil {
				require.False(t, erased(t, b))
				c.then(t, b)
			}

			for range 4 {
				b.pass(t, 10*time.Second)
			}

			require.Equal(t, c.want, b.story(t))
			require.True(t, erased(t, b))
			require.True(t, b.provider.erased["request-a"])
			require.Empty(t, b.jobs.Pending())
			b.check(t)

			changes, err := b.Changes(t.Context(), b.user, seen.Number, nil)
			require.NoError(t, err)
			require.Empty(t, changes, "its owner hears no more of it")
		})
	}
}

// The release before has what is deleted erased at once. It waits for what its provider does, and no purge is ahead of it.
func TestDelete_IsNotErasedBeforeItHasEnded(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.provider.answer(providers.CancelRequested)
	g := b.start(t)
	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
	b.purge(t)
	require.Empty(t, queuetest.All[jobs.EraseGeneration](b.jobs))

	b.ledger(t, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.EraseGeneration{TaskID: g.ID}, durable.Key("generation.erase:"+g.ID.String()))

		return err
	})
	b.pass(t, time.Minute)
	require.False(t, erased(t, b))

	b.provider.finish(t, 0)
	b.pass(t, time.Minute)
	b.pass(t, time.Minute)
	require.True(t, erased(t, b))
	require.Empty(t, b.jobs.Pending())
	b.check(t)
}

func TestDeleteMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ended, running, deleted, anothers := b.submit(t), b.start(t), b.submit(t), b.submit(t, func(s *generation.Submission) { s.UserID = uuid.New() })
	_, err := b.Cancel(t.Context(), b.user, ended.ID)
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), b.user, deleted.ID))

	ids := []uuid.UUID{ended.ID, deleted.ID, anothers.ID, running.ID, uuid.New()}
	done, err := b.DeleteMany(t.Context(), b.user, ids)
	require.NoError(t, err)
	require.Equal(t, []generation.Deletion{
		generation.DeletionDone, generation.DeletionAlready, generation.DeletionNotFound, generation.DeletionDone, generation.DeletionNotFound,
	}, done)

	again, err := b.DeleteMany(t.Context(), b.user, ids)
	require.NoError(t, err)
	require.Equal(t, generation.DeletionAlready, again[0])
	require.Equal(t, generation.DeletionAlready, again[3])

	for range 4 {
		b.pass(t, 10*time.Second)
	}

	var left []uuid.UUID

	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(id) from ai_task`).Scan(&left))
	require.Equal(t, []uuid.UUID{anothers.ID}, left)

	// Half way through, what was done stays done.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = b.DeleteMany(ctx, b.user, ids)
	require.ErrorIs(t, err, context.Canceled)
}
