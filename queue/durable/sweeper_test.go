package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

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

// TestSweeper_OutageMakesNoSuspects: a rack of workers goes with thousands of jobs in hand. All are taken back at
// once, and may run beside each other: it was none of their doing.
func TestSweeper_OutageMakesNoSuspects(t *testing.T) {
	t.Parallel()

	patient := brisk
	patient.Lease = 2 * time.Second // a third of it is enough for a look at thousands on a busy machine

	for name, c := range map[string]struct {
		workers, jobs int
		suspect       bool
	}{
		"OneWorker":  {1, 20, true},
		"TwoKillers": {2, 40, true},
		"Rack":       {12, 6000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, patient)
			b.exec(`insert into job (kind, queue, args, state, holder, lease_until)
				select 'test.probe', 'tests', '{}', 'running', (lpad(to_hex(n % $2), 16, '0') || substr(md5(n::text), 17))::uuid,
					statement_timestamp() + interval '1 second'
				from generate_series(1, $1::int) as n`, c.jobs, c.workers)

			b.background(b.queue.Maintain)

			var lost, suspects int

			b.eventually(20*time.Second, func() bool {
				require.NoError(t, b.pool.QueryRow(t.Context(), `select coalesce(sum(lost), 0), count(*) filter (where suspect)
					from job where lost > 0`).Scan(&lost, &suspects))

				return lost == c.jobs
			})

			if c.suspect {
				require.Equal(t, c.jobs, suspects)
			} else {
				require.Zero(t, suspects)
			}
		})
	}
}

// TestSweeper_SuspectWhoseHandlerWasNotCalled: a claim without an answer is not the job's doing, however often.
func TestSweeper_SuspectWhoseHandlerWasNotCalled(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	b.background(b.queue.Maintain)

	task := b.stage()
	b.exec(`update job set lost = 2 where id = $1`, task.ID)

	for epoch := 2; epoch < 4; epoch++ {
		b.lose(task)
		b.exec(`update job set begun = false where id = $1`, task.ID)
		b.eventually(5*time.Second, func() bool { return b.row(task).Epoch == epoch })
		require.Equal(t, 2, b.row(task).Lost)
	}

	// One whose handler kills its worker before the first heartbeat does count.
	task.Epoch = 3
	b.exec(`update job set run_at = clock_timestamp() where id = $1`, task.ID)

	b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
		b.eventually(5*time.Second, func() bool { return b.row(task).Lost == 3 }) // no heartbeat here: it is dead

		return ctx.Err()
	}
	b.runner.Work(t.Context(), task)
}

// TestSweeper_WritesRefused: Postgres answers and takes no writes for a while, as a standby does, or one whose disk
// is full. No worker could extend a lease meanwhile, so none is taken from it.
func TestSweeper_WritesRefused(t *testing.T) {
	t.Parallel()

	app, _, owner := devtest.PostgresURLs(t)
	admin := devtest.Pool(t, owner)

	b := setupKinds(t, devtest.Pool(t, app), durable.Timing{
		Lease: 600 * time.Millisecond, Heartbeat: 350 * time.Millisecond, Sweep: 20 * time.Millisecond,
	}, kindsLasting(time.Minute))
	running, leave := b.blocks()
	b.background(b.runner.Run)
	b.background(b.queue.Maintain)

	task := b.stage()
	v := b.start(durable.NewSlots(1), task)
	b.eventually(5*time.Second, func() bool { return running.Load() == 1 })

	dead := b.stage()

	for epoch := 2; epoch < 10; epoch++ {
		b.lose(dead)
		b.eventually(5*time.Second, func() bool { return b.row(dead).Epoch == epoch }) // the sweeper acts

		_, err := admin.Exec(t.Context(), `revoke update on job from imagerun_app`)
		require.NoError(t, err)

		// Most of a lease ago: who took answers for a sign that all is well is about to act.
		b.eventually(5*time.Second, func() (over bool) {
			require.NoError(t, admin.QueryRow(t.Context(),
				`select lease_until < clock_timestamp() - interval '550 milliseconds' from job where id = $1`, task.ID).Scan(&over))

			return over
		})

		_, err = admin.Exec(t.Context(), `grant update on job to imagerun_app`)
		require.NoError(t, err)
	}

	require.Zero(t, b.row(task).Lost)
	close(leave)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 1 })
	b.gone(task)
}

// TestSweeper_RowLockedByItsOwnHandler: a living worker that could not extend a lease, since its handler had the row
// locked for longer, has the time of one and a half heartbeats to do so once it is free.
func TestSweeper_RowLockedByItsOwnHandler(t *testing.T) {
	t.Parallel()

	for _, beats := range []bool{true, false} {
		t.Run(fmt.Sprint(beats), func(t *testing.T) {
			t.Parallel()

			timing := durable.Timing{Lease: time.Minute, Heartbeat: 10 * time.Second, Sweep: time.Second}
			b := setup(t, timing)
			sweep, now := durable.SweepAt(b.queue), time.Now()
			pass := func(d time.Duration) {
				for end := now.Add(d); now.Before(end); {
					now = now.Add(timing.Sweep)
					sweep(t.Context(), now)
				}
			}

			task := b.stage()
			b.lose(task)
			b.exec(`update job set lease_until = clock_timestamp() - interval '1 second' where id = $1`, task.ID)

			tx, err := b.pool.Begin(t.Context())
			require.NoError(t, err)

			_, err = tx.Exec(t.Context(), `select from job where id = $1 for no key update`, task.ID)
			require.NoError(t, err)

			pass(2 * timing.Lease)
			require.Equal(t, 1, b.row(task).Epoch, "it is locked")
			require.NoError(t, tx.Rollback(t.Context()))

			pass(timing.Heartbeat * 3 / 2)
			require.Equal(t, 1, b.row(task).Epoch, "the next heartbeat has not been due for long")

			if beats {
				b.exec(`update job set lease_until = clock_timestamp() + interval '1 minute' where id = $1`, task.ID)
				pass(2 * timing.Lease)
				require.Equal(t, 1, b.row(task).Epoch)

				return
			}

			pass(timing.Sweep)
			require.Equal(t, 2, b.row(task).Epoch)
			require.Equal(t, 1, b.row(task).Lost)
		})
	}
}
