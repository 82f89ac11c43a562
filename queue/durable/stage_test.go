package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

func TestStage_ExistsIfAndOnlyIfCommitted(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	b.background(b.queue.Run)

	var id uuid.UUID

	undone := errors.New("changed my mind")
	err := postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		id, err = b.queue.Stage(t.Context(), tx, probe{})
		require.NoError(t, err)

		return undone
	})
	require.ErrorIs(t, err, undone)

	committed := b.stage()
	b.eventually(2*time.Second, func() bool { return b.row(committed).State == "pushed" })

	b.gone(durable.Task{ID: id})

	pushes := b.engine.pushed()
	require.Len(t, pushes, 1, "what was rolled back is never pushed")
	require.Equal(t, committed, pushes[0].Task)
	require.Equal(t, time.Second, pushes[0].Timeout)
}

func TestStage_WithoutAfterCommitIsRelayed(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)

	id, err := b.queue.Stage(t.Context(), tx, probe{})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))

	b.background(b.queue.Maintain)
	b.eventually(2*time.Second, func() bool { return b.row(durable.Task{ID: id}).State == "pushed" })
}

func TestStage_PlainSQL(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	b.background(b.queue.Maintain)

	b.exec(`insert into job (kind, queue, args) values ('test.probe', 'tests', '{}')`)
	b.eventually(2*time.Second, func() bool { return len(b.engine.pushed()) == 1 })
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), b.engine.pushed()[0].Task))
}

func TestStage_KeyReturnsTheLiveJob(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	first := b.stage(durable.Key("collect:1"))
	require.Equal(t, first.ID, b.stage(durable.Key("collect:1")).ID)
	require.NotEqual(t, first.ID, b.stage(durable.Key("collect:2")).ID)

	b.runner.Work(t.Context(), first)
	require.NotEqual(t, first.ID, b.stage(durable.Key("collect:1")).ID, "the first is done")

	dead := b.stage(durable.Key("collect:3"))
	b.exec(`update job set state = 'dead', died_at = now() where id = $1`, dead.ID)
	require.NotEqual(t, dead.ID, b.stage(durable.Key("collect:3")).ID, "a dead job holds no key")
}

// TestStage_KeyOfARenamedKind: of one kind and key one job lives, whatever name the kind had when it was staged.
func TestStage_KeyOfARenamedKind(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	before := b.stage(durable.Key("k"))
	b.exec(`update job set kind = 'test.probed' where id = $1`, before.ID)
	require.Equal(t, before.ID, b.stage(durable.Key("k")).ID)

	dead := b.dead(durable.Key("dead"))
	live := b.stage(durable.Key("dead"))
	b.exec(`update job set kind = 'test.probed' where id = $1`, live.ID)

	res, err := durable.NewAdmin(b.queue).Retry(t.Context(), order(only(dead)))
	require.NoError(t, err)
	require.Empty(t, res.Changed, "its place is taken")
}

func TestStage_UnknownKind(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	_, err := b.queue.Stage(t.Context(), nil, sendReceipt{})
	require.ErrorContains(t, err, "not in the table of kinds")
}

func TestStage_DueLaterIsPushedShortlyBefore(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{Ahead: 30 * time.Second})
	b.background(b.queue.Run)
	b.background(b.queue.Maintain)

	soon, late := b.stage(durable.After(20*time.Second)), b.stage(durable.At(time.Now().Add(time.Hour)))
	b.eventually(2*time.Second, func() bool { return b.row(soon).State == "pushed" })
	require.InDelta(t, 20, time.Until(b.engine.pushed()[0].RunAt).Seconds(), 3)

	// Brought by somebody all the same, it is sent back until its time.
	v := b.runner.Work(t.Context(), soon)
	require.Equal(t, durable.Again, v.Do)
	require.InDelta(t, 20, v.After.Seconds(), 3)

	require.Equal(t, "staged", b.row(late).State)
	b.exec(`update job set run_at = now() + interval '25 seconds' where id = $1`, late.ID)
	b.eventually(2*time.Second, func() bool { return b.row(late).State == "pushed" })
}

func TestRelay_PushLostBeforeRedis(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	b.background(b.queue.Run)
	b.background(b.queue.Maintain)
	b.engine.refuse(errors.New("redis is away"))

	task := b.stage()
	b.eventually(5*time.Second, func() bool { return b.row(task).State == "staged" })
	require.Empty(t, b.engine.pushed())

	b.engine.refuse(nil)
	b.eventually(2*time.Second, func() bool { return b.row(task).State == "pushed" })
	require.Len(t, b.engine.pushed(), 1)
}

func TestWake(t *testing.T) {
	t.Parallel()

	wake := func(b *bundle, key string) {
		b.t.Helper()
		require.NoError(b.t, postgres.InTx(b.t.Context(), b.pool, func(tx *postgres.Tx) error {
			return b.queue.Wake(b.t.Context(), tx, "test.probe", key)
		}))
	}

	t.Run("Waiting", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		b.background(b.queue.Run)

		task := b.stage(durable.Key("k"), durable.After(time.Minute))
		b.eventually(2*time.Second, func() bool { return b.row(task).State == "pushed" })

		wake(b, "k")

		next := task
		next.Epoch++
		b.eventually(2*time.Second, func() bool { return b.engine.state(next) == "pending" })
		b.eventually(2*time.Second, func() bool { return b.engine.state(task) == "" })
		require.LessOrEqual(t, b.row(task).DueIn, 0.0)

		require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
		require.NotEmpty(t, b.row(task).State, "the old push is a duplicate")

		b.runner.Work(t.Context(), next)
		b.gone(task)
	})

	t.Run("Running", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		b.background(b.queue.Run)

		task := b.stage(durable.Key("k"))
		b.h.handle = func(_ context.Context, _ *queue.Job[probe]) error {
			wake(b, "k")

			return queue.Snooze(time.Hour)
		}
		require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)

		next := task
		next.Epoch++
		b.eventually(2*time.Second, func() bool { return b.engine.state(next) == "pending" })
	})

	// A wake just before a failure is worth what one just after it is: no backoff, but the attempt
	// is spent. It counts once.
	t.Run("RunningAndFailing", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		b.background(b.queue.Run)

		task := b.stage(durable.Key("k"))
		b.h.handle = func(context.Context, *queue.Job[probe]) error {
			wake(b, "k")

			return errors.New("too early")
		}
		require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)

		next := task
		next.Epoch++
		b.eventually(2*time.Second, func() bool { return b.engine.state(next) == "pending" })
		require.LessOrEqual(t, b.row(task).DueIn, 0.0)
		require.Equal(t, 1, b.row(task).Attempt)

		b.h.handle = func(context.Context, *queue.Job[probe]) error { return errors.New("still") }
		require.Equal(t, durable.Verdict{Do: durable.Again, After: 20 * time.Second, Code: "error", Spent: true}, b.runner.Work(t.Context(), next))
		require.Equal(t, "retrying", b.row(task).State)

		wake(b, "k")
		require.LessOrEqual(t, b.row(task).DueIn, 0.0, "one that comes after the failure does the same")
	})

	// The run that a wake brought about has seen what it was for; one that comes during that run
	// hastens its snooze, whatever failed before.
	t.Run("FailsThenSnoozes", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		task := b.stage(durable.Key("k"))
		answer := errors.New("too early")
		b.h.handle = func(context.Context, *queue.Job[probe]) error {
			wake(b, "k")

			return answer
		}
		require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)

		task.Epoch++
		answer = queue.Snooze(time.Hour)
		require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
		require.LessOrEqual(t, b.row(task).DueIn, 0.0)

		task.Epoch++
		b.h.handle = func(context.Context, *queue.Job[probe]) error { return queue.Snooze(time.Hour) }
		require.Equal(t, durable.Again, b.runner.Work(t.Context(), task).Do)
		require.Greater(t, b.row(task).DueIn, 3000.0)
	})

	t.Run("Absent", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		wake(b, "k")
		require.Error(t, b.queue.Wake(t.Context(), nil, "test.unknown", "k"))
	})

	t.Run("ClaimWaitsForIt", func(t *testing.T) {
		t.Parallel()

		b := setup(t, durable.Timing{})
		task := b.stage(durable.Key("k"))

		tx, err := b.pool.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.queue.Wake(t.Context(), tx, "test.probe", "k"))

		started := make(chan struct{})
		b.h.handle = func(context.Context, *queue.Job[probe]) error { close(started); return nil }

		done := make(chan durable.Verdict, 1)
		go func() { done <- b.runner.Work(t.Context(), task) }()

		// The claim is waiting for our lock: Postgres says so.
		b.eventually(5*time.Second, func() bool {
			var waiting bool

			err := b.pool.QueryRow(t.Context(), `select exists (select from pg_stat_activity
				where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting)

			return err == nil && waiting
		})
		require.NoError(t, tx.Commit(t.Context()))
		<-started
		require.Equal(t, durable.Ack, (<-done).Do)
	})
}
