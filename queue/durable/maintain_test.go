package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// brisk shortens what has to be waited for.
var brisk = durable.Timing{
	Lease: 400 * time.Millisecond, Heartbeat: 50 * time.Millisecond, Sweep: 20 * time.Millisecond,
	Reconcile: 50 * time.Millisecond, Overdue: 200 * time.Millisecond, AskAgain: 50 * time.Millisecond,
}

// lose has a worker die with the job in hand: claimed, and never heard of again.
func (b *bundle) lose(t durable.Task) {
	b.t.Helper()
	b.exec(`update job set state = 'running', holder = gen_random_uuid(),
		lease_until = clock_timestamp() + interval '50 milliseconds' where id = $1`, t.ID)
}

func TestSweeper_LostLeaseRunsElsewhere(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)

	task := b.stage()
	b.engine.set(task, "active")
	b.lose(task)

	next := task
	next.Epoch++
	b.eventually(5*time.Second, func() bool { return b.engine.state(next) == "pending" })
	b.eventually(5*time.Second, func() bool { return b.engine.state(task) == "" })

	got := b.row(task)
	require.Equal(t, 1, got.Lost)
	require.Zero(t, got.Attempt, "a lost lease is no failure")

	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), next).Do)
	b.gone(task)
}

// TestSweeper_PoisonIsBuried: a job that took three workers down in a row dies as others do, with what its kind
// owes to its death, and without its handler; another is worked beside it.
func TestSweeper_PoisonIsBuried(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)

	poison, other := b.stage(), b.stage()

	for lost := 1; lost <= 3; lost++ {
		b.lose(poison)
		b.eventually(5*time.Second, func() bool { return b.row(poison).Lost == lost })
	}

	require.NotEqual(t, "dead", b.row(poison).State, "it is a worker that buries it")

	fails := errors.New("ledger is closed")

	var codes []string

	b.h.handle = func(_ context.Context, job *queue.Job[probe]) error {
		require.NotEqual(t, poison.ID, job.ID)

		return nil
	}
	b.h.dead = func(_ context.Context, _ pgx.Tx, _ probe, code string) error {
		codes = append(codes, code)

		return fails
	}

	// No death without its hook, and it stays poison.
	poison.Epoch += 3
	b.exec(`update job set run_at = clock_timestamp() where id = $1`, poison.ID)
	require.Equal(t, durable.Again, b.runner.Work(t.Context(), poison).Do)
	require.Equal(t, 3, b.row(poison).Lost)

	fails = nil

	b.exec(`update job set run_at = clock_timestamp() where id = $1`, poison.ID)
	require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "poison"}, b.runner.Work(t.Context(), poison))
	require.Equal(t, []string{"poison", "poison"}, codes)

	got := b.row(poison)
	got.DueIn = 0
	require.Equal(t, row{State: "dead", Epoch: 4, Code: "poison"}, got)

	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), other).Do)
	b.gone(other)
}

// TestRunner_SuspectsOneAtATime: of the jobs that have lost a lease a worker has one in hand, and others beside
// it; the rest come back later, and nothing is counted.
func TestRunner_SuspectsOneAtATime(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	running, leave := b.blocks()
	tasks := b.stageMany(6)

	for _, task := range tasks[:4] {
		b.exec(`update job set lost = 1 where id = $1`, task.ID)
	}

	v := b.start(durable.NewSlots(6), tasks...)
	b.eventually(5*time.Second, func() bool { return running.Load() == 3 && v.count(durable.Again) == 3 })
	require.EqualValues(t, 3, running.Load())

	for _, task := range tasks[:4] {
		if verdict, there := v.of(task); there {
			require.Equal(t, "suspect", verdict.Code)
			require.False(t, verdict.Spent)
			require.Equal(t, 1, b.row(task).Lost)
			require.Equal(t, "staged", b.row(task).State)
		}
	}

	close(leave)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 3 })

	for _, task := range tasks {
		if b.row(task) != (row{}) {
			require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do, "one after the other")
		}
	}
}

func TestSweeper_OrdinaryOutcomeForgivesLostLeases(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)

	task := b.stage()
	b.exec(`update job set lost = 2 where id = $1`, task.ID)
	b.h.handle = func(context.Context, *queue.Job[probe]) error { return queue.Snooze(time.Minute) }
	b.runner.Work(t.Context(), task)
	require.Zero(t, b.row(task).Lost)
}

func TestHeartbeat_KeepsTheLease(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)
	b.background(b.runner.Run)

	canary := b.stage() // nobody extends this one

	task := b.stage()
	b.h.handle = func(ctx context.Context, _ *queue.Job[probe]) error {
		b.lose(canary)
		b.eventually(5*time.Second, func() bool { return b.row(canary).Lost == 1 })
		b.lose(canary)
		b.eventually(5*time.Second, func() bool { return b.row(canary).Lost == 2 })

		return ctx.Err()
	}
	b.exec(`update job set run_at = run_at where id = $1`, task.ID)
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), task))
	b.gone(task)
}

func TestHeartbeat_LostJobEndsItsHandler(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.runner.Run)

	task := b.stage()
	b.h.handle = func(ctx context.Context, _ *queue.Job[probe]) error {
		b.steal(task)
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), queue.ErrStale)

		return ctx.Err()
	}
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
	require.Equal(t, "running", b.row(task).State, "with the other holder")
}

// TestHeartbeat_LockedRowCostsNobodyElse has one handler's transaction hold its row while the
// others' leases must still be extended.
func TestHeartbeat_LockedRowCostsNobodyElse(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.runner.Run)

	locked, free := b.stage(), b.stage()
	release := make(chan struct{})

	b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
		if job.ID == locked.ID {
			return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
				require.NoError(t, job.Complete(ctx, tx))
				<-release

				return nil
			})
		}

		<-release

		return nil
	}

	done := make(chan durable.Verdict, 2)

	for _, task := range []durable.Task{locked, free} {
		go func() { done <- b.runner.Work(t.Context(), task) }()
	}

	var first time.Time

	lease := func() (at time.Time) {
		require.NoError(t, b.pool.QueryRow(t.Context(),
			`select coalesce(lease_until, 'epoch') from job where id = $1`, free.ID).Scan(&at))

		return at
	}

	b.eventually(5*time.Second, func() bool { first = lease(); return first.Year() > 2000 })
	b.eventually(5*time.Second, func() bool { return lease().After(first.Add(200 * time.Millisecond)) })

	close(release)
	require.Equal(t, durable.Verdict{}, <-done)
	require.Equal(t, durable.Verdict{}, <-done)
}

func TestReconciler_LostDequeue(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Run)

	task := b.stage()
	b.eventually(2*time.Second, func() bool { return b.row(task).State == "pushed" })
	b.engine.set(task, "active") // taken, and the worker never heard
	b.background(b.queue.Maintain)

	next := task
	next.Epoch++
	b.eventually(5*time.Second, func() bool { return b.engine.state(next) == "pending" })
	require.Zero(t, b.row(task).Lost, "no lease was lost")
	b.eventually(5*time.Second, func() bool { return b.engine.state(task) == "" })
}

func TestReconciler_LostAcknowledgement(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	task := b.stage()
	b.runner.Work(t.Context(), task)
	b.engine.set(task, "active") // done, and the engine never heard
	b.background(b.queue.Maintain)
	b.eventually(5*time.Second, func() bool { return b.engine.state(task) == "" })
	b.gone(task)
}

func TestReconciler_LeavesRunningJobsAlone(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)
	b.background(b.runner.Run)

	orphan := b.stage() // shows that the reconciler has passed

	task := b.stage()
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		// Not sooner: two passes before the claim would see what nobody runs.
		b.engine.set(task, "active")
		b.engine.set(orphan, "active")
		b.eventually(5*time.Second, func() bool { return b.row(orphan).Epoch > 1 })

		return nil
	}
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), task))
	b.gone(task)
}

func TestReconciler_TaskGone(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Run)

	lost, kept := b.stage(), b.stage()
	b.eventually(2*time.Second, func() bool {
		return b.row(lost).State == "pushed" && b.row(kept).State == "pushed"
	})
	b.engine.set(lost, "")
	b.background(b.queue.Maintain)

	next := lost
	next.Epoch++
	b.eventually(5*time.Second, func() bool { return b.engine.state(next) == "pending" })
	require.Equal(t, 1, b.row(kept).Epoch, "it only waits for a worker")
}

func TestMaintain_NeedsAPusher(t *testing.T) {
	t.Parallel()

	q := durable.New(nil, kinds(), durable.Options{})
	require.Error(t, q.Maintain(t.Context()))
}

func TestQueue_Collectors(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(b.queue.Collectors()...)

	b.h.handle = func(context.Context, *queue.Job[probe]) error { return errors.New("no") }
	b.runner.Work(t.Context(), b.stage())

	families, err := reg.Gather()
	require.NoError(t, err)

	events := map[string]float64{}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "event" {
					events[l.GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
	}

	require.Equal(t, map[string]float64{"staged": 1, "started": 1, "failed": 1}, events)
	require.Len(t, families, 3)
}

// TestLoops_LeaveNoGoroutine is not parallel: it looks at the whole process.
func TestLoops_LeaveNoGoroutine(t *testing.T) { //nolint:paralleltest // see above
	b := setup(t, brisk)
	before := goleak.IgnoreCurrent()

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 3)

	for _, loop := range []func(context.Context) error{b.queue.Run, b.queue.Maintain, b.runner.Run} {
		go func() { done <- loop(ctx) }()
	}

	b.runner.Work(t.Context(), b.stage())
	cancel()

	for range 3 {
		require.NoError(t, <-done)
	}

	b.pool.Reset()
	goleak.VerifyNone(t, before)
}
