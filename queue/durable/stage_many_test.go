package durable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

func TestStageMany(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	b.background(b.queue.Run)

	args := make([]queue.Args, 300)
	for i := range args {
		args[i] = probe{ID: uuid.New()}
	}

	var ids []uuid.UUID

	undone := errors.New("changed my mind")
	require.ErrorIs(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		_, err = b.queue.StageMany(t.Context(), tx, args...)
		require.NoError(t, err)

		return undone
	}), undone)

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		ids, err = b.queue.StageMany(t.Context(), tx, args...)

		return err
	}))
	require.Len(t, ids, len(args))

	// Each row has the arguments that its id was returned for.
	for i, id := range ids {
		var arg uuid.UUID

		require.NoError(t, b.pool.QueryRow(t.Context(), `select args->>'id' from job where id = $1 and kind = 'test.probe' and queue = 'tests'`, id).Scan(&arg))
		require.Equal(t, probe{ID: arg}, args[i])
	}

	b.eventually(5*time.Second, func() bool { return len(b.engine.pushed()) == len(args) })

	var rows int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from job`).Scan(&rows))
	require.Equal(t, len(args), rows, "what was rolled back does not exist")

	task := b.engine.pushed()[0].Task
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), task))
	b.gone(task)
}

// More than commits may leave to the background: the relay pushes the rest.
func TestStageMany_BeyondTheBacklog(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	b.background(b.queue.Run)
	b.background(b.queue.Maintain)

	args := make([]queue.Args, 10_000)
	for i := range args {
		args[i] = probe{}
	}

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		_, err := b.queue.StageMany(t.Context(), tx, args...)

		return err
	}))
	b.eventually(20*time.Second, func() bool { return len(b.engine.pushed()) == len(args) })
}

func TestStageMany_Refuses(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		ids, err := b.queue.StageMany(t.Context(), tx)
		require.NoError(t, err)
		require.Empty(t, ids)

		// One of an unknown kind: none is staged.
		_, err = b.queue.StageMany(t.Context(), tx, probe{}, unknown{})
		require.ErrorContains(t, err, "test.unknown")

		return nil
	}))

	var rows int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from job`).Scan(&rows))
	require.Zero(t, rows)
}

type unknown struct{}

func (unknown) Kind() string { return "test.unknown" }
