package durable_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

var errHandler = errors.New("it did not work")

func TestRunner_Outcomes(t *testing.T) {
	t.Parallel()

	inTx := func(b *bundle, job *queue.Job[probe], end func(context.Context, pgx.Tx) error) error {
		tx, err := b.pool.Begin(context.Background())
		require.NoError(b.t, err)
		require.NoError(b.t, job.Complete(context.Background(), tx))

		return end(context.Background(), tx)
	}
	commit := func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) }
	rollback := func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) }

	for name, c := range map[string]struct {
		handle  func(b *bundle, job *queue.Job[probe]) error
		attempt int // failures before
		verdict durable.Verdict
		row     row
	}{
		"NilEndsTheJob": {
			handle: func(*bundle, *queue.Job[probe]) error { return nil },
		},
		"Complete": {
			handle: func(b *bundle, job *queue.Job[probe]) error { return inTx(b, job, commit) },
		},
		"CompleteCommittedButReplyLost": {
			handle: func(b *bundle, job *queue.Job[probe]) error {
				_ = inTx(b, job, commit)

				return errors.New("connection reset by peer")
			},
		},
		"CompleteRolledBack": {
			handle: func(b *bundle, job *queue.Job[probe]) error {
				_ = inTx(b, job, rollback)

				return errHandler
			},
			verdict: durable.Verdict{Do: durable.Again, After: 10 * time.Second, Code: "error", Spent: true},
			row:     row{State: "retrying", Epoch: 1, Attempt: 1, Code: "error", DueIn: 10},
		},
		"CompleteRolledBackButNil": {
			handle:  func(b *bundle, job *queue.Job[probe]) error { return inTx(b, job, rollback) },
			verdict: durable.Verdict{Do: durable.Again, After: 10 * time.Second, Code: "not_committed", Spent: true},
			row:     row{State: "retrying", Epoch: 1, Attempt: 1, Code: "not_committed", DueIn: 10},
		},
		"Error": {
			handle:  func(*bundle, *queue.Job[probe]) error { return errHandler },
			attempt: 1,
			verdict: durable.Verdict{Do: durable.Again, After: 20 * time.Second, Code: "error", Spent: true},
			row:     row{State: "retrying", Epoch: 1, Attempt: 2, Code: "error", DueIn: 20},
		},
		"LastError": {
			handle:  func(*bundle, *queue.Job[probe]) error { return errHandler },
			attempt: attempts - 1,
			verdict: durable.Verdict{Do: durable.Bury, Code: "error"},
			row:     row{State: "dead", Epoch: 1, Attempt: attempts, Code: "error"},
		},
		"Cancel": {
			handle:  func(*bundle, *queue.Job[probe]) error { return queue.Cancel(errHandler) },
			verdict: durable.Verdict{Do: durable.Bury, Code: "error"},
			row:     row{State: "dead", Epoch: 1, Attempt: 1, Code: "error"},
		},
		"Snooze": {
			handle:  func(*bundle, *queue.Job[probe]) error { return queue.Snooze(1500 * time.Millisecond) },
			verdict: durable.Verdict{Do: durable.Again, After: 2 * time.Second, Code: "snoozed"},
			row:     row{State: "retrying", Epoch: 1, DueIn: 2},
		},
		"SnoozeOnTheLastAttempt": {
			handle: func(b *bundle, job *queue.Job[probe]) error {
				require.True(b.t, job.LastAttempt())

				return queue.Snooze(time.Minute)
			},
			attempt: attempts - 1,
			verdict: durable.Verdict{Do: durable.Again, After: time.Minute, Code: "snoozed"},
			row:     row{State: "retrying", Epoch: 1, Attempt: attempts - 1, DueIn: 60},
		},
		"SnoozeAsThePolicySays": {
			handle:  func(_ *bundle, job *queue.Job[probe]) error { return job.Snooze() },
			verdict: durable.Verdict{Do: durable.Again, After: 7 * time.Second, Code: "snoozed"},
			row:     row{State: "retrying", Epoch: 1, DueIn: 7},
		},
		"SnoozeForNothing": {
			handle: func(*bundle, *queue.Job[probe]) error { return queue.Snooze(0) },
			row:    row{State: "staged", Epoch: 2},
		},
		"Panic": {
			handle:  func(*bundle, *queue.Job[probe]) error { panic("a prompt that nobody may see") },
			verdict: durable.Verdict{Do: durable.Again, After: 10 * time.Second, Code: "panic", Spent: true},
			row:     row{State: "retrying", Epoch: 1, Attempt: 1, Code: "panic", DueIn: 10},
		},
		"Goexit": { // as of t.FailNow
			handle: func(*bundle, *queue.Job[probe]) error {
				runtime.Goexit()

				return nil
			},
			verdict: durable.Verdict{Do: durable.Again, After: 10 * time.Second, Code: "exited", Spent: true},
			row:     row{State: "retrying", Epoch: 1, Attempt: 1, Code: "exited", DueIn: 10},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{})
			task := b.stage()
			b.exec(`update job set attempt = $2, lost = 1 where id = $1`, task.ID, c.attempt)

			b.h.handle = func(_ context.Context, job *queue.Job[probe]) error {
				require.Equal(t, c.attempt+1, job.Attempt)
				require.Equal(t, attempts, job.MaxAttempts)

				return c.handle(b, job)
			}
			require.Equal(t, c.verdict, b.runner.Work(t.Context(), task))

			got := b.row(task)
			if c.row.DueIn > 0 {
				require.InDelta(t, c.row.DueIn, got.DueIn, 3)
			}

			got.DueIn = c.row.DueIn
			require.Equal(t, c.row, got) // and lost is 0 again
			require.Zero(t, b.runner.InFlight())
		})
	}
}

func TestRunner_NoHandler(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()
	old := durable.NewRunner(b.queue, queue.NewRegistry(kinds()), durable.RunnerOptions{})

	v := old.Work(t.Context(), task)
	require.Equal(t, durable.Verdict{Do: durable.Again, After: 5 * time.Second, Code: "no_handler"}, v)
	require.Equal(t, "staged", b.row(task).State, "not claimed")

	b.exec(`update job set kind = 'test.probed' where id = $1`, task.ID)
	task.Kind = "test.probed" // the kind's old name
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
	b.gone(task)
}

func TestRunner_CodesLetNoTextThrough(t *testing.T) {
	t.Parallel()

	for code, want := range map[string]string{"rate_limited": "rate_limited", "a cat, in oil": "error", "": "error"} {
		b := setup(t, durable.Timing{})
		reg := queue.NewRegistry(kinds())
		queue.Register(reg, b.h)
		b.h.handle = func(context.Context, *queue.Job[probe]) error { return errHandler }

		r := durable.NewRunner(b.queue, reg, durable.RunnerOptions{Code: func(error) string { return code }})
		task := b.stage()
		require.Equal(t, want, r.Work(t.Context(), task).Code)
		require.Equal(t, want, b.row(task).Code)
	}
}
