package durable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// order is what the tests' operator asks for.
func order(f durable.Filter) durable.Order { return durable.Order{Filter: f, Operator: "ada"} }

func only(tasks ...durable.Task) (f durable.Filter) {
	for _, t := range tasks {
		f.IDs = append(f.IDs, t.ID)
	}

	return f
}

// dead stages a job and has it die.
func (b *bundle) dead(opts ...durable.StageOption) durable.Task {
	b.t.Helper()

	t := b.stage(opts...)
	b.exec(`update job set state = 'dead', died_at = clock_timestamp(), attempt = 3, lost = 2, error_code = 'broken' where id = $1`, t.ID)

	return t
}

func TestAdmin_List(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	live, dead, old := b.stage(), b.dead(), b.dead()
	b.exec(`update job set died_at = clock_timestamp() - interval '2 hours' where id = $1`, old.ID)

	for name, c := range map[string]struct {
		filter durable.Filter
		want   []durable.Task
	}{
		"everything":     {durable.Filter{}, []durable.Task{live, dead, old}},
		"state":          {durable.Filter{State: "dead"}, []durable.Task{dead, old}},
		"age":            {durable.Filter{OlderThan: time.Hour}, []durable.Task{old}},
		"limit":          {durable.Filter{Limit: 2}, []durable.Task{live, dead}},
		"ids":            {only(old), []durable.Task{old}},
		"kind and queue": {durable.Filter{Kind: "test.probe", Queue: "tests", State: "dead", OlderThan: time.Hour}, []durable.Task{old}},
		"nobody's id":    {durable.Filter{IDs: []uuid.UUID{uuid.New()}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			jobs, err := admin.List(t.Context(), c.filter)
			require.NoError(t, err)

			var got []uuid.UUID
			for _, j := range jobs {
				got = append(got, j.ID)
			}

			require.Equal(t, only(c.want...).IDs, got)
		})
	}

	for _, f := range []durable.Filter{{Kind: "test.prob"}, {Queue: "test"}, {State: "done"}} {
		_, err := admin.List(t.Context(), f)
		require.ErrorIs(t, err, durable.ErrUnknown, "%+v", f)
	}
}

func TestAdmin_ListAndOrderBeyondOneBatch(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	b.exec(`insert into job (kind, queue, args, state, died_at) select 'test.probe', 'tests', '{}', 'dead', now() from generate_series(1, 1203)`)

	jobs, err := admin.List(t.Context(), durable.Filter{})
	require.NoError(t, err)
	require.Len(t, jobs, 1203)

	jobs, err = admin.List(t.Context(), durable.Filter{Limit: 501})
	require.NoError(t, err)
	require.Len(t, jobs, 501)

	res, err := admin.Retry(t.Context(), order(durable.Filter{State: "dead"}))
	require.NoError(t, err)
	require.Equal(t, 1203, res.Matched)
	require.Len(t, res.Changed, 1203)

	var rows, audited int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*), sum(jobs) from job_audit`).Scan(&rows, &audited))
	require.Equal(t, 3, rows)
	require.Equal(t, 1203, audited)
}

func TestAdmin_RetryGivesAllAttempts(t *testing.T) {
	t.Parallel()

	runs := 0
	b := setup(t, brisk)
	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		if runs++; runs <= attempts {
			return errors.New("not yet")
		}

		return nil
	}
	admin := durable.NewAdmin(b.queue)
	task := b.stage()

	work := func(task durable.Task) {
		b.exec(`update job set run_at = clock_timestamp() where id = $1`, task.ID)
		b.runner.Work(t.Context(), task)
	}

	for range attempts {
		require.NotEqual(t, "dead", b.row(task).State)
		work(task)
	}

	require.Equal(t, "dead", b.row(task).State)

	res, err := admin.Retry(t.Context(), durable.Order{Filter: durable.Filter{State: "dead"}, Operator: "ada", DryRun: true})
	require.NoError(t, err)
	require.Equal(t, durable.Result{Matched: 1}, res)
	require.Equal(t, "dead", b.row(task).State, "a dry run changes nothing")

	res, err = admin.Retry(t.Context(), order(durable.Filter{State: "dead"}))
	require.NoError(t, err)
	require.Equal(t, only(task).IDs, res.Changed)

	got := b.row(task)
	require.Equal(t, row{State: "staged", Epoch: 2}, row{State: got.State, Epoch: got.Epoch, Attempt: got.Attempt, Lost: got.Lost, Code: got.Code})

	again := task
	again.Epoch++
	require.Equal(t, durable.Ack, b.runner.Work(t.Context(), again).Do)
	b.gone(task)

	_, audits, err := admin.Show(t.Context(), task.ID)
	require.ErrorIs(t, err, durable.ErrNotFound)
	require.Len(t, audits, 1)
	require.Equal(t, "ada", audits[0].Operator)
	require.Equal(t, "retry", audits[0].Action)
	require.WithinDuration(t, time.Now(), audits[0].At, time.Minute)
}

func TestAdmin_RetryLeavesLiveJobsOfTheSameKey(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)

	first, second := b.dead(durable.Key("k")), b.dead(durable.Key("k"))
	res, err := admin.Retry(t.Context(), order(durable.Filter{State: "dead"}))
	require.NoError(t, err)
	require.Equal(t, only(first).IDs, res.Changed, "one of two twins")
	require.Equal(t, 2, res.Matched)

	res, err = admin.Retry(t.Context(), order(only(second)))
	require.NoError(t, err)
	require.Empty(t, res.Changed)
	require.Equal(t, "dead", b.row(second).State)
}

func TestAdmin_RetryRunsWaitingJobsNow(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	waits, due, runs := b.stage(durable.After(time.Hour)), b.stage(), b.stage()
	b.exec(`update job set attempt = 1 where id = $1`, waits.ID)
	b.exec(`update job set state = 'running', holder = gen_random_uuid(), lease_until = now() where id = $1`, runs.ID)

	res, err := admin.Retry(t.Context(), order(only(waits, due, runs)))
	require.NoError(t, err)
	require.Equal(t, only(waits).IDs, res.Changed)

	got := b.row(waits)
	require.LessOrEqual(t, got.DueIn, 0.0)
	require.Equal(t, 1, got.Attempt, "a live job keeps what it has spent")
	require.Equal(t, 2, got.Epoch)
	require.Equal(t, 1, b.row(due).Epoch)
}

func TestAdmin_AuditCannotBeChanged(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)

	_, err := admin.Cancel(t.Context(), durable.Order{})
	require.ErrorIs(t, err, durable.ErrUnknown, "somebody must have done it")

	b.stage()

	_, err = admin.Cancel(t.Context(), order(durable.Filter{}))
	require.NoError(t, err)

	for _, sql := range []string{`update job_audit set operator = 'eve'`, `delete from job_audit`} {
		_, err := b.pool.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "42501", sql)
	}
}

func TestAdmin_Pause(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)

	for _, paused := range []bool{true, true, false, false, true} {
		if paused {
			require.NoError(t, admin.Pause(t.Context(), durable.Pause{Queue: "tests", Operator: "ada"}, 0))
		} else {
			require.NoError(t, admin.Resume(t.Context(), "tests", "ada"))
		}
	}

	queues, err := admin.Paused(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"tests"}, queues)

	var audited []string
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(action || ' ' || queue order by id) from job_audit`).Scan(&audited))
	require.Equal(t, []string{"pause tests", "resume tests", "pause tests"}, audited, "what changed nothing is nothing")

	require.ErrorIs(t, admin.Pause(t.Context(), durable.Pause{Queue: "test", Operator: "ada"}, 0), durable.ErrUnknown)
	require.ErrorIs(t, admin.Pause(t.Context(), durable.Pause{Queue: "tests"}, 0), durable.ErrUnknown)
	require.ErrorIs(t, admin.Pause(t.Context(), durable.Pause{Queue: "tests", Operator: "ada", Reason: "ann@example.com"}, 0), durable.ErrReason)
}

// TestAdmin_PauseEnds: a pause with an end is over by itself, and the audit knows.
func TestAdmin_PauseEnds(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)

	require.NoError(t, admin.Pause(t.Context(), durable.Pause{Queue: "tests", Operator: "ada", Reason: "fal is down (status page)"}, 2*time.Hour))

	pauses, err := admin.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses, 1)
	require.Equal(t, "fal is down (status page)", pauses[0].Reason)
	require.WithinDuration(t, pauses[0].Since.Add(2*time.Hour), *pauses[0].Until, time.Second)

	ended, err := admin.EndPauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, ended)

	b.exec(`update queue_pause set until = clock_timestamp() - interval '1 second'`)

	ended, err = admin.EndPauses(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"tests"}, ended)

	pauses, err = admin.Pauses(t.Context())
	require.NoError(t, err)
	require.Empty(t, pauses)

	var audited []string
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(action || ': ' || reason order by id) from job_audit`).Scan(&audited))
	require.Equal(t, []string{"pause: fal is down (status page)", "resume: its time was over"}, audited)
}

func TestTableCollector(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	c := b.queue.TableCollector()
	head := `
# HELP queue_jobs Rows of the job table, by kind, queue and state.
# TYPE queue_jobs gauge
`
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(head+`queue_jobs{kind="test.probe",queue="tests",state="dead"} 0
# HELP queue_oldest_job_seconds How long the most overdue live job has been due, running or not; zero: none is.
# TYPE queue_oldest_job_seconds gauge
queue_oldest_job_seconds{kind="test.probe",queue="tests"} 0
`)), "zeros, so that an alert can tell them from nothing")

	b.dead()
	b.stage(durable.After(time.Hour))
	late := b.stage()
	b.exec(`update job set run_at = clock_timestamp() - interval '1 hour' where id = $1`, late.ID)

	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(head+`queue_jobs{kind="test.probe",queue="tests",state="dead"} 1
queue_jobs{kind="test.probe",queue="tests",state="staged"} 2
`), "queue_jobs"))

	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)

	families, err := reg.Gather()
	require.NoError(t, err)
	require.Equal(t, "queue_oldest_job_seconds", families[1].GetName())
	require.InDelta(t, 3600, families[1].GetMetric()[0].GetGauge().GetValue(), 60)
}

// TestAdmin_PurgeAudit deletes what is older than a year by the database's clock, and nothing else
// can be deleted.
func TestAdmin_PurgeAudit(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	admin := durable.NewAdmin(b.queue)
	b.exec(`insert into job_audit (at, operator, action, queue)
		select clock_timestamp() - interval '1 year' - n * interval '1 minute', 'ada', 'pause', 'tests' from generate_series(1, 4500) as n`)
	b.exec(`insert into job_audit (at, operator, action, queue)
		select clock_timestamp() - interval '1 year' + interval '1 hour', 'eve', 'pause', 'tests'`)

	for _, want := range []int{2000, 2000, 500, 0} {
		n, err := admin.PurgeAudit(t.Context(), 2000)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}

	var left []string
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(operator) from job_audit`).Scan(&left))
	require.Equal(t, []string{"eve"}, left)
}
