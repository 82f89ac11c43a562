package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// cancel is an operator's cancel of one job, which changes it.
func (b *bundle) cancel(t durable.Task) (res durable.Result) {
	b.t.Helper()

	res, err := durable.NewAdmin(b.queue).Cancel(b.t.Context(), order(only(t)))
	require.NoError(b.t, err)
	require.Equal(b.t, only(t).IDs, res.Changed)

	return res
}

// shown is a job's state as operators see it.
func (b *bundle) shown(t durable.Task) string {
	b.t.Helper()

	job, _, err := durable.NewAdmin(b.queue).Show(b.t.Context(), t.ID)
	require.NoError(b.t, err)

	return job.State
}

// mourns has the Dead hook leave a mark in its transaction, and the handler fail the test.
func (b *bundle) mourns() (marks func() int) {
	b.t.Helper()
	b.exec(`insert into queue_pause (queue, operator) values ('deaths', '0')`)

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		b.t.Error("a canceled job's handler ran")

		return nil
	}
	b.h.dead = func(ctx context.Context, tx pgx.Tx, _ probe, code string) error {
		_, err := tx.Exec(ctx, `update queue_pause set operator = (operator::integer + 1)::text where queue = 'deaths' and $1 = 'canceled'`, code)

		return err
	}

	return func() (n int) {
		require.NoError(b.t, b.pool.QueryRow(b.t.Context(), `select operator::integer from queue_pause where queue = 'deaths'`).Scan(&n))

		return n
	}
}

func TestAdmin_CancelIsCarriedOutByAWorker(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		prepare string // SQL, on the job's row
		epoch   int32  // of the task that carries the cancel
		attempt int
	}{
		"Waiting":              {`state = 'staged'`, 1, 0},
		"WaitingInRedis":       {`state = 'pushed'`, 1, 0},
		"DueLater":             {`run_at = clock_timestamp() + interval '1 day'`, 2, 0},
		"Retrying":             {`state = 'retrying', attempt = 2, error_code = 'broken', run_at = clock_timestamp() + interval '1 minute'`, 2, 2},
		"RetryingAndDue":       {`state = 'retrying', attempt = 1, error_code = 'broken'`, 1, 1},
		"AfterTwoLostLeases":   {`lost = 2`, 1, 0},
		"StagedUnderAnOldName": {`kind = 'test.probed'`, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{})
			deaths := b.mourns()
			task := b.stage()
			b.exec(`update job set `+c.prepare+` where id = $1`, task.ID)

			require.Equal(t, 1, b.cancel(task).Waiting)
			require.Equal(t, "canceling", b.shown(task), "no worker has come yet")
			require.Zero(t, deaths())
			require.LessOrEqual(t, b.row(task).DueIn, 0.0)
			require.EqualValues(t, c.epoch, b.row(task).Epoch)

			task.Epoch = c.epoch
			require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "canceled"}, b.runner.Work(t.Context(), task))
			require.Equal(t, 1, deaths())

			got := b.row(task)
			require.Equal(t, row{State: "dead", Epoch: int(c.epoch), Attempt: c.attempt, Code: "canceled"},
				row{State: got.State, Epoch: got.Epoch, Attempt: got.Attempt, Lost: got.Lost, Code: got.Code})

			require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do, "its task is a duplicate now")
			require.Equal(t, 1, deaths())

			// A dead one is removed for good.
			require.Zero(t, b.cancel(task).Waiting)
			b.gone(task)
			require.Equal(t, 1, deaths())
		})
	}
}

// TestAdmin_CancelOfAJobThatRuns has the handler's context end, and refuses whatever it says.
func TestAdmin_CancelOfAJobThatRuns(t *testing.T) {
	t.Parallel()

	for name, answer := range map[string]func(ctx context.Context, b *bundle, job *queue.Job[probe]) error{
		"Nil":      func(context.Context, *bundle, *queue.Job[probe]) error { return nil },
		"Error":    func(context.Context, *bundle, *queue.Job[probe]) error { return errors.New("stopped") },
		"Snooze":   func(context.Context, *bundle, *queue.Job[probe]) error { return queue.Snooze(time.Hour) },
		"Panic":    func(context.Context, *bundle, *queue.Job[probe]) error { panic("stopped") },
		"Complete": complete,
		"CompleteAndNil": func(ctx context.Context, b *bundle, job *queue.Job[probe]) error {
			_ = complete(ctx, b, job)

			return nil
		},
		"Hold": func(ctx context.Context, b *bundle, job *queue.Job[probe]) error {
			return pgx.BeginFunc(context.WithoutCancel(ctx), b.pool, func(tx pgx.Tx) error {
				err := job.Hold(context.WithoutCancel(ctx), tx)
				require.ErrorIs(b.t, err, queue.ErrStale)

				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, brisk)
			deaths := b.mourns()
			started, cause := make(chan struct{}), make(chan error, 1)
			b.h.handle = func(ctx context.Context, job *queue.Job[probe]) error {
				close(started)
				<-ctx.Done()

				cause <- context.Cause(ctx)

				return answer(ctx, b, job)
			}
			b.background(b.runner.Run)

			task := b.stage()
			verdict := make(chan durable.Verdict, 1)

			go func() { verdict <- b.runner.Work(context.Background(), task) }()

			<-started
			b.cancel(task)
			require.ErrorIs(t, <-cause, queue.ErrCanceled)
			require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "canceled"}, <-verdict)
			require.Equal(t, 1, deaths())
			require.Equal(t, "dead", b.row(task).State)
			require.Equal(t, "canceled", b.row(task).Code)
			require.Zero(t, b.row(task).Attempt)
		})
	}
}

func complete(ctx context.Context, b *bundle, job *queue.Job[probe]) error {
	ctx = context.WithoutCancel(ctx)

	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		err := job.Complete(ctx, tx)
		require.ErrorIs(b.t, err, queue.ErrStale)

		return err
	})
}

func TestAdmin_CancelOfAStuckHandler(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	deaths := b.mourns()
	started, leave := make(chan struct{}), make(chan struct{})
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		close(started)
		<-leave

		return nil
	}
	b.background(b.runner.Run)

	task := b.stage()
	verdict := make(chan durable.Verdict, 1)

	go func() { verdict <- b.runner.Work(context.Background(), task) }()

	<-started
	b.cancel(task)
	b.eventually(10*time.Second, func() bool { return b.row(task).State == "dead" })
	require.Equal(t, 1, deaths())
	close(leave)
	require.Equal(t, durable.Ack, (<-verdict).Do)
	require.Equal(t, "dead", b.row(task).State)
}

// TestAdmin_CancelOfAJobWhoseWorkerDies: the next worker carries it out.
func TestAdmin_CancelOfAJobWhoseWorkerDies(t *testing.T) {
	t.Parallel()

	b := setup(t, brisk)
	deaths := b.mourns()
	task := b.stage()
	b.exec(`update job set state = 'running', holder = gen_random_uuid(), lost = 2, lease_until = clock_timestamp() - interval '1 second' where id = $1`, task.ID)
	b.cancel(task)
	b.background(b.queue.Maintain)

	b.eventually(10*time.Second, func() bool { return b.row(task).Epoch == 2 })
	require.Equal(t, "canceling", b.shown(task), "poison or not, the hook is owed")

	task.Epoch = 2
	require.Equal(t, durable.Bury, b.runner.Work(t.Context(), task).Do)
	require.Equal(t, 1, deaths())
}

func TestAdmin_CancelWhoseDeadHookFails(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	deaths := b.mourns()
	hook := b.h.dead
	b.h.dead = func(context.Context, pgx.Tx, probe, string) error { return errors.New("not now") }

	task := b.stage()
	b.cancel(task)

	v := b.runner.Work(t.Context(), task)
	require.Equal(t, durable.Again, v.Do)
	require.Greater(t, v.After, time.Second)
	require.Equal(t, "canceling", b.shown(task), "no death without what the domain owes to it")
	require.Zero(t, b.row(task).Attempt)

	b.h.dead = hook
	b.exec(`update job set run_at = clock_timestamp() where id = $1`, task.ID)
	require.Equal(t, durable.Bury, b.runner.Work(t.Context(), task).Do)
	require.Equal(t, 1, deaths())
}

// TestAdmin_CancelFreesTheKey: whoever stages after a cancel must not be given a job that will
// never run.
func TestAdmin_CancelFreesTheKey(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	first := b.stage(durable.Key("k"), durable.After(time.Hour))
	b.cancel(first)

	second := b.stage(durable.Key("k"), durable.After(time.Hour))
	require.NotEqual(t, first.ID, second.ID)
	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return b.queue.Wake(t.Context(), tx, "test.probe", "k") }))
	require.LessOrEqual(t, b.row(second).DueIn, 0.0, "a wake is for the job that lives")
	require.Equal(t, 2, b.row(first).Epoch)

	res, err := durable.NewAdmin(b.queue).Retry(t.Context(), order(only(first)))
	require.NoError(t, err)
	require.Empty(t, res.Changed, "its place is taken")
	require.Equal(t, "canceling", b.shown(first))
}

// TestAdmin_RetryTakesACancelBack, and after the death gives all attempts as always.
func TestAdmin_RetryTakesACancelBack(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	runs := 0
	deaths := b.mourns()
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		runs++

		return nil
	}

	task := b.stage()
	b.cancel(task)

	again, err := admin.Cancel(t.Context(), order(only(task)))
	require.NoError(t, err)
	require.Equal(t, durable.Result{Matched: 1}, again, "twice is once")

	retry := func() {
		res, err := admin.Retry(t.Context(), order(only(task)))
		require.NoError(t, err)
		require.Equal(t, only(task).IDs, res.Changed)

		task.Epoch++
	}

	retry()
	require.Equal(t, "staged", b.shown(task))
	b.cancel(task)
	require.Equal(t, durable.Bury, b.runner.Work(t.Context(), task).Do)
	require.Zero(t, runs)

	retry()
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), task).Do)
	require.Equal(t, 1, runs)
	require.Equal(t, 1, deaths())
	b.gone(task)
}

func TestAdmin_CancelInBulk(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	deaths := b.mourns()
	b.exec(`insert into job (kind, queue, args) select 'test.probe', 'tests', '{}' from generate_series(1, 700)`)
	b.exec(`insert into job (kind, queue, args, state, died_at) select 'test.probe', 'tests', '{}', 'dead', now() from generate_series(1, 5)`)
	b.exec(`insert into job (kind, queue, args) values ('test.forgotten', 'tests', '{}')`)

	res, err := admin.Cancel(t.Context(), order(durable.Filter{}))
	require.NoError(t, err)
	require.Equal(t, 706, res.Matched)
	require.Len(t, res.Changed, 706)
	require.Equal(t, 700, res.Waiting)

	jobs, err := admin.List(t.Context(), durable.Filter{State: "canceling"})
	require.NoError(t, err)
	require.Len(t, jobs, 700)

	dead, err := admin.List(t.Context(), durable.Filter{State: "dead"})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, "test.forgotten", dead[0].Kind, "nobody knows what a kind of long ago owes")

	var audited int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select sum(jobs) from job_audit where operator = 'ada' and action = 'cancel'`).Scan(&audited))
	require.Equal(t, 706, audited)

	for _, j := range jobs[:20] {
		task := durable.Task{ID: j.ID, Epoch: j.Epoch, Queue: j.Queue, Kind: j.Kind}
		require.Equal(t, durable.Bury, b.runner.Work(t.Context(), task).Do)
	}

	require.Equal(t, 20, deaths())
}
