package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

func TestRunner_PostgresAwayAtClaim(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()

	away := devtest.Pool(t, "postgres://nobody@127.0.0.1:1/nothing")
	reg := queue.NewRegistry(kinds())
	queue.Register(reg, b.h)

	b.h.handle = func(context.Context, *queue.Job[probe]) error { t.Error("handler ran"); return nil }

	v := durable.NewRunner(durable.New(away, kinds(), durable.Options{}), reg, durable.RunnerOptions{}).Work(t.Context(), task)
	require.Equal(t, durable.Verdict{Do: durable.PutBack, Code: durable.CodeUnreachable}, v, "nobody's failure, and any worker's")
}

func TestRunner_PostgresRestartsWhileHandlerRuns(t *testing.T) {
	t.Parallel()

	pg := devtest.OwnPostgres(t)
	app, _, _, err := pg.NewDatabase(t.Context(), "restarts")
	require.NoError(t, err)

	b := setupOn(t, devtest.Pool(t, app), durable.Timing{Heartbeat: 50 * time.Millisecond})
	b.background(b.runner.Run)

	var runs int

	task := b.stage()
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		runs++
		b.stage() // its commit has the claim, which did not wait for the disk, on the disk too

		return pg.Restart(context.Background())
	}
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), task))
	b.gone(task)
	require.Equal(t, 1, runs)
}

// TestRunner_OutageInsideTheHandler: Postgres restarts while a handler is in a transaction of its own. That spends
// no attempt, not even the last.
func TestRunner_OutageInsideTheHandler(t *testing.T) {
	t.Parallel()

	pg := devtest.OwnPostgres(t)
	app, _, _, err := pg.NewDatabase(t.Context(), "restarts")
	require.NoError(t, err)

	b := setupKinds(t, devtest.Pool(t, app), durable.Timing{}, kindsLasting(time.Minute))

	b.h.dead = func(context.Context, pgx.Tx, probe, string) error { t.Error("died of an outage"); return nil }
	b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
		b.stage() // its commit has the claim on the disk too

		return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
			require.NoError(t, job.Hold(ctx, tx))
			require.NoError(t, pg.Restart(context.Background()))

			return job.Complete(ctx, tx)
		})
	}

	for _, failed := range []int{0, attempts - 1} {
		task := b.stage()
		b.exec(`update job set attempt = $2 where id = $1`, task.ID, failed)

		v := b.runner.Work(t.Context(), task)
		require.Equal(t, durable.Again, v.Do)
		require.False(t, v.Spent)
		require.Equal(t, failed, b.row(task).Attempt)
	}
}

// TestRunner_ClaimLostInACrash is the price of claims that do not wait for the disk: a repeat.
func TestRunner_ClaimLostInACrash(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()

	var runs int

	b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
		if runs++; runs == 1 {
			b.exec(`update job set state = 'pushed', holder = null, lease_until = null where id = $1`, task.ID)
		}

		return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error { return job.Complete(ctx, tx) })
	}

	v := b.runner.Work(t.Context(), task)
	require.Equal(t, durable.Again, v.Do, "the same task comes back")
	require.False(t, v.Spent)
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
	b.gone(task)
	require.Equal(t, 2, runs)
}

func TestRunner_Timeout(t *testing.T) {
	t.Parallel()

	t.Run("Obedient", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		task := b.stage()
		b.h.handle = func(ctx context.Context, _ *queue.Job[probe]) error {
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), queue.ErrTimeout)

			return ctx.Err()
		}

		v := b.runner.Work(t.Context(), task)
		require.Equal(t, durable.Verdict{Do: durable.Again, After: 10 * time.Second, Code: "timeout", Spent: true}, v)
		require.Equal(t, "timeout", b.row(task).Code)
	})

	t.Run("Stuck", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{Grace: 50 * time.Millisecond})
		b.background(b.queue.Run)

		task := b.stage()
		wakeUp, refused := make(chan struct{}), make(chan error, 1)
		b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
			<-wakeUp // ignores ctx

			refused <- pgx.BeginFunc(context.Background(), b.pool, func(tx pgx.Tx) error {
				return job.Complete(context.Background(), tx)
			})

			return nil
		}

		done := make(chan durable.Verdict, 1)
		go func() { done <- b.runner.Work(t.Context(), task) }()

		// The job goes on under a new name while the handler keeps its slot.
		next := task
		next.Epoch++
		b.eventually(5*time.Second, func() bool { return b.engine.state(next) == "pending" })
		require.Equal(t, 1, b.runner.InFlight())

		got := b.row(task)
		require.Equal(t, 1, got.Attempt)
		require.Equal(t, "timeout", got.Code)

		events := b.queue.Collectors()[0].(*prometheus.CounterVec) //nolint:forcetypeassert // the first is of events
		for _, event := range []string{"stuck", "deaf"} {
			require.InDelta(t, 1, testutil.ToFloat64(events.WithLabelValues(task.Kind, task.Queue, event)), 0, event)
		}

		close(wakeUp)
		require.ErrorIs(t, <-refused, queue.ErrStale)
		require.Equal(t, durable.Ack, (<-done).Do)
		require.Zero(t, b.runner.InFlight())
	})
}

func TestRunner_InterruptHandsBack(t *testing.T) {
	t.Parallel()

	for name, stuck := range map[string]bool{"Obedient": false, "Stuck": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{Grace: 50 * time.Millisecond})
			b.background(b.queue.Run)

			task := b.stage()
			b.exec(`update job set attempt = $2 where id = $1`, task.ID, attempts-1)

			started, leave := make(chan struct{}), make(chan struct{})
			b.h.handle = func(ctx context.Context, _ *queue.Job[probe]) error {
				close(started)
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), queue.ErrStopping)

				if stuck {
					<-leave
				}

				return ctx.Err()
			}

			done := make(chan durable.Verdict, 1)
			go func() { done <- b.runner.Work(t.Context(), task) }()

			<-started
			b.runner.Interrupt()

			next := task
			next.Epoch++
			b.eventually(5*time.Second, func() bool { return b.engine.state(next) == "pending" })
			require.Equal(t, attempts-1, b.row(task).Attempt, "no attempt is spent, not even the last")
			require.Equal(t, durable.PutBack, b.runner.Work(t.Context(), next).Do, "takes nothing any more")

			close(leave)
			require.NoError(t, b.runner.Idle(t.Context()))
			require.Equal(t, durable.Ack, (<-done).Do)

			other, _ := b.worker()
			require.Equal(t, durable.Ack, other.Work(t.Context(), next).Do)
			b.gone(task)
		})
	}
}
