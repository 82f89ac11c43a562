package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/queue"
)

func TestPurgeTombstones(t *testing.T) {
	t.Parallel()

	b := setup(t)
	old, young := uuid.New(), uuid.New()

	for id, age := range map[uuid.UUID]time.Duration{old: generation.TombstoneLifetime + time.Minute, young: time.Hour} {
		_, err := b.pool.Exec(t.Context(), `insert into generation_tombstone (task_id, user_id, deleted_at) values ($1, $2, $3)`,
			id, b.user, b.now.Now().Add(-age))
		require.NoError(t, err)
	}

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, queue.PurgeTombstones{})

		return err
	}))
	require.Equal(t, 1, b.jobs.RunAll(t.Context()))

	_, err := b.Get(t.Context(), b.user, young)
	require.ErrorIs(t, err, generation.ErrDeleted)

	_, err = b.Get(t.Context(), b.user, old)
	require.Error(t, err)
	require.NotErrorIs(t, err, generation.ErrDeleted)
}
