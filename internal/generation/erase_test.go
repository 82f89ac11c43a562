package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
)

func TestPurgeTombstones(t *testing.T) {
	t.Parallel()

	b := setup(t)
	old, young := uuid.New(), uuid.New()

	_, err := b.UserTopic(t.Context(), b.user)
	require.NoError(t, err)

	for n, id := range []uuid.UUID{old, young} {
		age := []time.Duration{generation.TombstoneLifetime + time.Minute, time.Hour}[n]

		_, err := b.pool.Exec(t.Context(), `insert into generation_tombstone (task_id, user_id, deleted_at, user_sequence) values ($1, $2, $3, $4)`,
			id, b.user, b.now.Now().Add(-age), n+1)
		require.NoError(t, err)
	}

	_, err = b.pool.Exec(t.Context(), `update generation_user set event_sequence = 2`)
	require.NoError(t, err)

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.PurgeTombstones{})

		return err
	}))
	require.Equal(t, 1, b.jobs.RunAll(t.Context()))

	_, err = b.Get(t.Context(), b.user, young)
	require.ErrorIs(t, err, generation.ErrDeleted)

	_, err = b.Get(t.Context(), b.user, old)
	require.Error(t, err)
	require.NotErrorIs(t, err, generation.ErrDeleted)

	// Whoever saw no more than what is forgotten cannot go on; whoever saw it can.
	for after, want := range []bool{false, true, true, false} {
		resumable, err := b.Resumable(t.Context(), b.user, int64(after))
		require.NoError(t, err)
		require.Equal(t, want, resumable, after)
	}
}
