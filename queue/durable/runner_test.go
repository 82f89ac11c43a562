package durable_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

var errHandler = errors.New("it did not work")

// steal gives a job to another holder, as the sweeper and another worker's claim do.
func (b *bundle) steal(t durable.Task) {
	b.t.Helper()
	b.exec(`update job set holder = gen_random_uuid(), epoch = epoch + 1 where id = $1`, t.ID)
}

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
			require.Zero(t, b.runner.InHand())
		})
	}
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

func TestRunner_DeadHookIsOneTransactionWithTheDeath(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()
	b.exec(`update job set attempt = $2 where id = $1`, task.ID, attempts-1)

	var codes []string

	broken := errors.New("ledger is closed")
	b.h.handle = func(context.Context, *queue.Job[probe]) error { return errHandler }
	b.h.dead = func(ctx context.Context, tx pgx.Tx, args probe, code string) error {
		codes = append(codes, code)
		_, err := tx.Exec(ctx, `insert into job (id, kind, queue, args) values ($1, 'hook', 'q', '{}')`, args.ID)
		require.NoError(t, err)

		if len(codes) == 1 {
			return broken
		}

		return nil
	}

	hooked := func() (n int) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from job where kind = 'hook'`).Scan(&n))

		return n
	}

	// The hook fails: no death without it, and no attempt beyond the last.
	v := b.runner.Work(t.Context(), task)
	require.Equal(t, durable.Again, v.Do)
	require.False(t, v.Spent)
	require.Equal(t, attempts-1, b.row(task).Attempt)
	require.Equal(t, "retrying", b.row(task).State)
	require.Zero(t, hooked())

	b.exec(`update job set run_at = now() where id = $1`, task.ID)
	require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "error"}, b.runner.Work(t.Context(), task))
	require.Equal(t, "dead", b.row(task).State)
	require.Equal(t, 1, hooked())
	require.Equal(t, []string{"error", "error"}, codes)
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

func TestRunner_UndecodableIsDead(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()
	b.exec(`update job set args = '{"id": 7}' where id = $1`, task.ID)
	require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "undecodable"}, b.runner.Work(t.Context(), task))
	require.Equal(t, "undecodable", b.row(task).Code)
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

func TestParseName(t *testing.T) {
	t.Parallel()

	want := durable.Task{ID: uuid.New(), Epoch: 12}
	id, epoch, err := durable.ParseName(want.Name())
	require.NoError(t, err)
	require.Equal(t, want, durable.Task{ID: id, Epoch: epoch})

	for _, bad := range []string{"", "x:1", uuid.NewString(), uuid.NewString() + ":", uuid.NewString() + ":99999999999"} {
		_, _, err := durable.ParseName(bad)
		require.Error(t, err, bad)
	}
}

// TestRunner_FinalErrorsEndTheJob: a code that the policy names as final is a death with the hook.
func TestRunner_FinalErrorsEndTheJob(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	died := ""
	h := &handler{
		handle: func(context.Context, *queue.Job[probe]) error { return errHandler },
		dead: func(_ context.Context, _ pgx.Tx, _ probe, code string) error {
			died = code

			return nil
		},
	}

	for code, verdict := range map[string]durable.Verdict{
		"hopeless": {Do: durable.Bury, Code: "hopeless"},
		"hopeful":  {Do: durable.Again, After: 10 * time.Second, Code: "hopeful", Spent: true},
	} {
		reg := queue.NewRegistry(kinds())
		queue.Register(reg, h)

		died = ""
		runner := durable.NewRunner(b.queue, reg, durable.RunnerOptions{Code: func(error) string { return code }})
		require.Equal(t, verdict, runner.Work(t.Context(), b.stage()))
		require.Equal(t, verdict.Do == durable.Bury, died == code)
	}
}
