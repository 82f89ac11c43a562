// Package queuetest works jobs in tests: on a real Postgres, without Redis, one at a time and in
// the order in which they are due. Whatever a handler returns is settled as a worker settles it.
//
//	jobs := queuetest.New(t, pool, registry)
//	service.Submit(ctx, …)                      // stages generation.submit
//	require.Len(t, jobs.Pending(), 1)
//	jobs.RunAll(ctx)                            // works it, and whatever it stages
//	jobs.Advance(30 * time.Second)              // snoozed and delayed jobs come nearer
//	require.True(t, jobs.RunNext(ctx))
package queuetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// maxJobs is how many jobs one RunAll works before it says that they never end.
const maxJobs = 1000

// Jobs are the jobs of one database.
type Jobs struct {
	t      testing.TB
	pool   *pgxpool.Pool
	queue  *durable.Queue
	runner *durable.Runner
}

// Job is a row of the job table.
type Job struct {
	ID        uuid.UUID
	Kind      string
	Queue     string
	Args      []byte // JSON
	Key       string // empty: none
	State     string // staged, pushed, running, retrying or dead
	Attempt   int    // failures so far
	ErrorCode string // of the last failure; empty: none
	RunAt     time.Time
	DueIn     time.Duration // until RunAt, by the database's clock; negative: due
}

// New returns the jobs in pool's database, worked by the handlers of reg.
func New(t testing.TB, pool *pgxpool.Pool, reg *queue.Registry) *Jobs {
	t.Helper()

	q := durable.New(pool, reg.Kinds(), durable.Options{
		// Nothing else sweeps or heartbeats, and a test has no time to wait for an outage.
		Timing: durable.Timing{Lease: time.Hour, Patience: 2 * time.Second},
	})

	return &Jobs{t: t, pool: pool, queue: q, runner: durable.NewRunner(q, reg, durable.RunnerOptions{})}
}

// Queue returns a queue that stages into the same database.
func (j *Jobs) Queue() *durable.Queue { return j.queue }

// RunNext works the job that is due and has been for longest; it reports whether there was one.
func (j *Jobs) RunNext(ctx context.Context) (ran bool) {
	j.t.Helper()

	return j.run(ctx, "run_at <= clock_timestamp()")
}

// RunNextEarly works the job that is due first, even if its time has not come.
func (j *Jobs) RunNextEarly(ctx context.Context) (ran bool) {
	j.t.Helper()

	return j.run(ctx, "true")
}

// RunAll works due jobs, and those that they stage, until none is due; it returns how many it
// worked. Jobs that keep each other busy for ever fail the test: some more than ten for each that is due at the beginning.
func (j *Jobs) RunAll(ctx context.Context) (ran int) {
	j.t.Helper()

	var due int
	require.NoError(j.t, j.pool.QueryRow(ctx, `select count(*) from job where state in ('staged', 'pushed', 'retrying') and run_at <= clock_timestamp()`).Scan(&due))

	for j.RunNext(ctx) {
		ran++
		require.Less(j.t, ran, maxJobs+10*due, "jobs do not come to an end")
	}

	return ran
}

// Stop ends the handler that runs, as a worker that stops does. Nothing can be run afterwards.
func (j *Jobs) Stop() { j.runner.Interrupt() }

// Advance has d pass for every job that waits: what was due in d is due now.
func (j *Jobs) Advance(d time.Duration) {
	j.t.Helper()

	_, err := j.pool.Exec(j.t.Context(), `update job set run_at = run_at - $1::float8 * interval '1 second'`, d.Seconds())
	require.NoError(j.t, err)
}

// Recover has every job that a worker had worked again, as the sweeper does when a worker
// has died and its leases have run out.
func (j *Jobs) Recover() {
	j.t.Helper()

	_, err := j.pool.Exec(j.t.Context(), `update job set state = 'staged', lost = lost + 1, epoch = epoch + 1, run_at = clock_timestamp(),
		staged_at = clock_timestamp(), holder = null, lease_until = null, wake = false where state = 'running'`)
	require.NoError(j.t, err)
}

// Pending returns every live job in the order in which they are due.
func (j *Jobs) Pending() []Job { j.t.Helper(); return j.listJobs("state <> 'dead'") }

// Dead returns every dead job, the oldest first.
func (j *Jobs) Dead() []Job { j.t.Helper(); return j.listJobs("state = 'dead'") }

// Require returns the arguments of the only live job of T's kind; there must be exactly one.
func Require[T queue.Args](j *Jobs) T {
	j.t.Helper()

	args := All[T](j)
	require.Len(j.t, args, 1, "live jobs of this kind")

	return args[0]
}

// All returns the arguments of every live job of T's kind in the order in which they are due.
func All[T queue.Args](j *Jobs) []T {
	j.t.Helper()

	var (
		zero T
		all  []T
	)

	for _, job := range j.Pending() {
		if job.Kind == zero.Kind() {
			var args T

			require.NoError(j.t, json.Unmarshal(job.Args, &args))
			all = append(all, args)
		}
	}

	return all
}

func (j *Jobs) run(ctx context.Context, due string) bool {
	j.t.Helper()

	var task durable.Task

	// A job of a kind without a handler stays: a test need not handle what it only stages.
	err := j.pool.QueryRow(ctx, `
		update job set run_at = least(run_at, clock_timestamp())
		where id = (
			select id from job
			where state in ('staged', 'pushed', 'retrying') and kind = any($1) and `+due+`
			order by run_at, created_at, id limit 1
		)
		returning id, epoch, queue, kind`, j.listHandledKinds()).
		Scan(&task.ID, &task.Epoch, &task.Queue, &task.Kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return false
	}

	require.NoError(j.t, err)
	j.runner.Work(ctx, task)

	return true
}

func (j *Jobs) listHandledKinds() []string {
	var names []string

	for _, p := range j.runner.Registry().Kinds().Policies() {
		for _, name := range p.Names() {
			if _, ok := j.runner.Registry().Worker(name); ok {
				names = append(names, name)
			}
		}
	}

	return names
}

func (j *Jobs) listJobs(where string) []Job {
	j.t.Helper()

	rows, err := j.pool.Query(j.t.Context(), `
		select id, kind, queue, args, coalesce(dedupe_key, ''), state, attempt, coalesce(error_code, ''),
		       run_at, extract(epoch from run_at - clock_timestamp())::float8
		from job where `+where+` order by run_at, created_at, id`)
	require.NoError(j.t, err)

	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (job Job, err error) {
		var due float64

		err = row.Scan(&job.ID, &job.Kind, &job.Queue, &job.Args, &job.Key, &job.State, &job.Attempt,
			&job.ErrorCode, &job.RunAt, &due)
		job.DueIn = time.Duration(due * float64(time.Second))

		return job, err
	})
	require.NoError(j.t, err)

	return jobs
}
