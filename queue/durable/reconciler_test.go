package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

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

type bystander struct{}

func (bystander) Kind() string { return "test.bystander" }

// TestReconciler_OneQueueHidesNoOther: more overdue jobs than are asked about at once wait in a queue that is paused.
// A task of another queue that was lost is found, and so is one behind them.
func TestReconciler_OneQueueHidesNoOther(t *testing.T) {
	t.Parallel()

	policy, _ := kinds().Policy("test.probe")
	other := policy
	other.Args, other.Aliases, other.Queue = bystander{}, nil, "others"

	b := setupKinds(t, devtest.Postgres(t), brisk, queue.NewKinds(policy, other))

	rows, err := b.pool.Query(t.Context(), `insert into job (kind, queue, args, state, run_at)
		select 'test.probe', 'tests', '{}', 'pushed', now() - interval '1 minute' from generate_series(1, 2500) returning id`)
	require.NoError(t, err)

	waiting, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)

	for _, id := range waiting {
		b.engine.set(durable.Task{ID: id, Epoch: 1}, "pending")
	}

	lost := func(kind, queue string) (t durable.Task) {
		t = durable.Task{ID: uuid.New(), Epoch: 1, Queue: queue, Kind: kind}
		b.exec(`insert into job (id, kind, queue, args, state, run_at) values ($1, $2, $3, '{}', 'pushed', now() - interval '30 seconds')`, t.ID, kind, queue)

		return t
	}

	elsewhere, behind := lost("test.bystander", "others"), lost("test.probe", "tests")

	b.background(b.queue.Maintain)

	for _, task := range []durable.Task{elsewhere, behind} {
		b.eventually(10*time.Second, func() bool { return b.row(task).Epoch == 2 })
	}
}
