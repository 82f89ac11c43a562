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

// lose has a worker die with the job in hand: claimed, its handler called, and never heard of again.
func (b *bundle) lose(t durable.Task) {
	b.t.Helper()
	b.exec(`update job set state = 'running', begun = true, holder = gen_random_uuid(),
		lease_until = clock_timestamp() + interval '50 milliseconds' where id = $1`, t.ID)
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
