package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// steal gives a job to another holder, as the sweeper and another worker's claim do.
func (b *bundle) steal(t durable.Task) {
	b.t.Helper()
	b.exec(`update job set holder = gen_random_uuid(), epoch = epoch + 1 where id = $1`, t.ID)
}

// TestRunner_StaleHolderWritesNothing is promise 4: whatever a worker that lost its job does, the
// other holder's row stays as it is.
func TestRunner_StaleHolderWritesNothing(t *testing.T) {
	t.Parallel()

	for name, end := range map[string]func(*bundle, *queue.Job[probe]) error{
		"Nil":    func(*bundle, *queue.Job[probe]) error { return nil },
		"Error":  func(*bundle, *queue.Job[probe]) error { return errHandler },
		"Cancel": func(*bundle, *queue.Job[probe]) error { return queue.Cancel(errHandler) },
		"Snooze": func(*bundle, *queue.Job[probe]) error { return queue.Snooze(time.Minute) },
		"Complete": func(b *bundle, job *queue.Job[probe]) error {
			return pgx.BeginFunc(context.Background(), b.pool, func(tx pgx.Tx) error {
				err := job.Complete(context.Background(), tx)
				require.ErrorIs(b.t, err, queue.ErrStale)

				return err
			})
		},
		"Hold": func(b *bundle, job *queue.Job[probe]) error {
			return pgx.BeginFunc(context.Background(), b.pool, func(tx pgx.Tx) error {
				err := job.Hold(context.Background(), tx)
				require.ErrorIs(b.t, err, queue.ErrStale)

				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{})
			task := b.stage()

			var hooks int

			b.h.dead = func(_ context.Context, tx pgx.Tx, _ probe, _ string) error {
				hooks++
				_, err := tx.Exec(context.Background(), `insert into job (kind, queue, args) values ('hook', 'q', '{}')`)

				return err
			}
			b.h.handle = func(_ context.Context, job *queue.Job[probe]) error {
				b.steal(task)

				return end(b, job)
			}
			require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)

			got := b.row(task)
			require.Equal(t, row{State: "running", Epoch: 2, DueIn: got.DueIn}, got)
			require.LessOrEqual(t, hooks, 1)

			var left int

			require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from job where kind = 'hook'`).Scan(&left))
			require.Zero(t, left, "what the hook did went with the fence")
		})
	}
}

func TestRunner_HoldKeepsTheSweeperAway(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{Lease: 2 * time.Second, Sweep: 20 * time.Millisecond, Grace: time.Minute})
	b.background(b.queue.Maintain)

	swept := b.stage() // shows that the sweeper is at work
	expire := func() {
		b.exec(`update job set state = 'running', holder = gen_random_uuid(), lease_until = now() where id = $1`, swept.ID)
	}

	task := b.stage()
	b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
		ctx = context.WithoutCancel(ctx) // the kind's timeout is shorter than the lease

		return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
			require.NoError(t, job.Hold(ctx, tx))
			b.eventually(20*time.Second, func() (over bool) {
				err := b.pool.QueryRow(ctx, `select lease_until < clock_timestamp() from job where id = $1`, task.ID).Scan(&over)

				return err == nil && over
			})
			expire()
			b.eventually(20*time.Second, func() bool { return b.row(swept).Epoch == 2 })

			return job.Complete(ctx, tx)
		})
	}
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
	b.gone(task)
}

func TestRunner_Duplicates(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	var runs int

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		runs++

		return nil
	}

	ack := durable.Verdict{Do: durable.Ack}
	done := b.stage()
	require.Equal(t, ack, b.runner.Work(t.Context(), done))
	require.Equal(t, ack, b.runner.Work(t.Context(), done), "no row")

	other := b.stage()
	other.Epoch = 7
	require.Equal(t, ack, b.runner.Work(t.Context(), other), "another epoch")

	dead := b.stage()
	b.exec(`update job set state = 'dead', died_at = now() where id = $1`, dead.ID)
	require.Equal(t, ack, b.runner.Work(t.Context(), dead), "dead")

	running := b.stage()
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		runs++
		second, _ := b.worker()
		require.Equal(t, ack, second.Work(t.Context(), running), "running elsewhere")

		return nil
	}
	require.Equal(t, ack, b.runner.Work(t.Context(), running))
	require.Equal(t, 2, runs)
}
