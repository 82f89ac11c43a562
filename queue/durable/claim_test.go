package durable_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// TestRunner_ManyAtOnce works many jobs at once, some of them twice: each is
// begun once. A row that somebody has locked keeps only its own task waiting.
func TestRunner_ManyAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	var begun atomic.Int64

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		begun.Add(1)

		return nil
	}

	locked := b.stage()

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select 1 from job where id = $1 for update`, locked.ID)
	require.NoError(t, err)

	const jobs = 40

	var free, held sync.WaitGroup

	held.Go(func() { b.runner.Work(context.Background(), locked) })

	for range jobs {
		task := b.stage()
		for range 2 {
			free.Go(func() { b.runner.Work(context.Background(), task) })
		}
	}

	free.Wait()
	require.EqualValues(t, jobs, begun.Load())
	require.NotEqual(t, row{}, b.row(locked))
	require.NoError(t, tx.Rollback(t.Context()))
	held.Wait()
	b.gone(locked)
	b.eventually(time.Second, func() bool { return b.runner.InFlight() == 0 })
}
