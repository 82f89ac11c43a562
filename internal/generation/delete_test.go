package generation_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/queue"
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
		_, err := b.jobs.Queue().Stage(t.Context(), tx, queue.PurgeTombstones{})

		return err
	}))
	b.jobs.RunAll(t.Context())
	gone(generation.ErrNotFound)
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
