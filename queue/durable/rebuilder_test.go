package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// patient finds no single task missing within a test, only the loss of all.
var patient = durable.Timing{
	Relay: 20 * time.Millisecond, RelayAfter: 10 * time.Millisecond, Sweep: 50 * time.Millisecond,
	Watch: 20 * time.Millisecond, Overdue: time.Hour, Reconcile: time.Hour,
}

func TestRebuilder_AllTasksLost(t *testing.T) {
	t.Parallel()

	next := func(task durable.Task) durable.Task {
		task.Epoch++

		return task
	}

	emptied, older := durable.LossMarker{}, durable.LossMarker{Count: 1, Complete: true}

	for name, c := range map[string]struct {
		after durable.LossMarker
		end   error
	}{
		"EmptiedSnooze":   {emptied, queue.Snooze(time.Minute)},
		"EmptiedFailed":   {emptied, errors.New("no luck")},
		"OlderDataSnooze": {older, queue.Snooze(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, patient)
			b.background(b.queue.Run)
			b.background(b.queue.Maintain)
			b.background(b.runner.Run)
			b.eventually(5*time.Second, b.engine.whole)

			waiting, running := b.stage(), b.stage()
			for _, task := range []durable.Task{waiting, running} {
				b.eventually(5*time.Second, func() bool { return b.row(task).State == "pushed" })
			}

			b.h.handle = func(context.Context, *queue.Job[probe]) error {
				b.engine.lose(c.after)
				b.eventually(5*time.Second, func() bool { return b.engine.state(next(waiting)) == "pending" })
				require.Equal(t, "running", b.row(running).State)
				require.Equal(t, 2, b.row(running).Epoch)
				require.Empty(t, b.engine.state(next(running)), "not pushed beside its holder")

				return c.end
			}

			// What the worker says at the end of a job whose task is gone goes by the new name.
			require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), running))
			b.eventually(5*time.Second, func() bool { return b.engine.state(next(running)) == "pending" })
		})
	}
}

// TestRebuilder_RestoresFirst has what else Redis held put back before the jobs, and tries again.
func TestRebuilder_RestoresFirst(t *testing.T) {
	t.Parallel()

	b := &bundle{t: t, pool: devtest.Postgres(t), engine: &engine{states: map[string]string{}}}
	calls := 0
	b.queue = durable.New(b.pool, kinds(), durable.Options{
		Pusher: b.engine, Timing: patient,
		Restore: func(_ context.Context, queues []string) error {
			require.Equal(t, []string{"tests"}, queues)
			require.False(t, b.engine.whole())

			if calls++; calls == 1 {
				return errors.New("not now")
			}

			return nil
		},
	})
	b.background(b.queue.Maintain)
	b.eventually(5*time.Second, b.engine.whole)
	require.Equal(t, 2, calls)
}
