package durable_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

var named = regexp.MustCompile(`^-- name: (\w+)`)

// statements keeps of each statement of ours how it was sent last.
type statements struct {
	mu   sync.Mutex
	args map[string][]any  // by name; guarded by mu
	sql  map[string]string // by name; guarded by mu
}

// TraceQueryStart implements [pgx.QueryTracer].
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.keep(d.SQL, d.Args)

	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements [pgx.BatchTracer].
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (s *statements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	s.keep(d.SQL, d.Args)
}

// TraceBatchEnd implements [pgx.BatchTracer].
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (s *statements) keep(sql string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if m := named.FindStringSubmatch(sql); m != nil {
		s.sql[m[1]], s.args[m[1]] = sql, args
	}
}

// kept returns what was sent so far, by name.
func (s *statements) kept() (sql map[string]string, args map[string][]any) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return maps.Clone(s.sql), maps.Clone(s.args)
}

// plan is a part of one, as EXPLAIN (FORMAT JSON) writes it.
type plan struct {
	Type    string `json:"Node Type"`              //nolint:tagliatelle // Postgres names it
	Table   string `json:"Relation Name"`          //nolint:tagliatelle // Postgres names it
	Removed int    `json:"Rows Removed by Filter"` //nolint:tagliatelle // Postgres names it
	Plans   []plan
}

// countExtra returns for how many rows of the table of jobs a plan is more than it needs, -1 for all of them.
func (p plan) countExtra() (extra int) {
	if p.Table == "job" {
		if extra = p.Removed; p.Type == "Seq Scan" {
			return -1
		}
	}

	for _, part := range p.Plans {
		if n := part.countExtra(); n < 0 {
			return n
		} else {
			extra = max(extra, n)
		}
	}

	return extra
}

// TestPlans_ReadOnlyWhatTheyNeed: however many jobs wait, sleep, run and are dead, no statement of the queue reads
// those that it is not about.
func TestPlans_ReadOnlyWhatTheyNeed(t *testing.T) {
	t.Parallel()

	app, _, ownerURL := devtest.PostgresURLs(t)
	owner := devtest.Pool(t, ownerURL)
	sent := &statements{args: map[string][]any{}, sql: map[string]string{}}

	cfg := devtest.Pool(t, app).Config()
	cfg.ConnConfig.Tracer = sent

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	const each = 20_000

	for range 10 {
		_, err = owner.Exec(t.Context(), `insert into job (kind, queue, args, state, run_at, staged_at, holder, lease_until, died_at)
		select 'test.probe', 'tests', '{}', state, clock_timestamp() + due * (0.5 + random()), clock_timestamp() - interval '1 hour',
			case when state = 'running' then gen_random_uuid() end, case when state = 'running' then clock_timestamp() + interval '1 hour' end,
			case when state = 'dead' then clock_timestamp() end
		from (values ('staged', interval '1 hour'), ('pushed', interval '2 minutes'), ('retrying', interval '1 hour'),
			('running', interval '-1 second'), ('dead', interval '-1 day')) as v (state, due), generate_series(1, $1::int)`, each/10)
		require.NoError(t, err)
	}

	_, err = owner.Exec(t.Context(), `vacuum analyze job`)
	require.NoError(t, err)

	b := setupOn(t, pool, durable.Timing{
		Lease: 2 * time.Second, Heartbeat: 50 * time.Millisecond, Sweep: 20 * time.Millisecond, Relay: 20 * time.Millisecond,
		RelayAfter: 10 * time.Millisecond, Reconcile: 20 * time.Millisecond, Overdue: 20 * time.Millisecond, AskAgain: 20 * time.Millisecond,
	})
	b.walkAll()

	texts, args := sent.kept()

	for name, sql := range texts {
		// An operator's list, counts for metrics, a rebuild, which are about everybody's jobs. Inserts, and a function, which say nothing.
		if slices.Contains([]string{"AdminList", "JobCounts", "JobRebuildRunning", "JobRebuildWaiting", "JobInsert", "JobStage", "JobStageRenamed", "JobComplete"}, name) {
			continue
		}

		p := explain(t, owner, sql, args[name])
		extra := p.countExtra()
		t.Logf("%-16s reads %d rows in vain", name, extra)
		require.NotEqual(t, -1, extra, "%s reads all jobs", name)
		require.Less(t, extra, each/10, "%s reads many jobs in vain", name)
	}

	for _, name := range []string{
		"JobInsert", "JobStageRenamed", "JobWake", "JobClaim", "JobClaimMany", "JobGet", "JobBegin", "JobUnclaim", "JobExtendLeases", "JobHold", "JobComplete",
		"JobFinish", "JobFinishMany", "JobSnooze", "JobFail", "JobHandBack", "JobBury", "JobRelay", "JobMarkPushed", "JobExpired",
		"JobSweep", "JobOverdue", "JobStates", "JobRenew", "JobUnattended", "AdminRetry", "AdminCancel",
	} {
		require.Contains(t, texts, name)
	}
}

// walkAll has the queue send everything that it ever sends.
func (b *bundle) walkAll() {
	b.t.Helper()
	b.background(b.queue.Run)
	b.background(b.queue.Maintain)
	b.background(b.runner.Run)

	work := func(end func(ctx context.Context, job *queue.Job[probe]) error, prepare ...string) {
		task := b.stage()
		for _, sql := range prepare {
			b.exec(sql, task.ID)
		}

		b.h.handle = end
		b.runner.Work(b.t.Context(), task)
	}

	work(func(ctx context.Context, job *queue.Job[probe]) error {
		return postgres.InTx(ctx, b.pool, func(tx *postgres.Tx) error {
			return errors.Join(job.Hold(ctx, tx), job.Complete(ctx, tx))
		})
	})
	work(func(context.Context, *queue.Job[probe]) error { return queue.Snooze(time.Hour) })
	work(func(context.Context, *queue.Job[probe]) error { return errHandler })
	work(func(context.Context, *queue.Job[probe]) error { return queue.Cancel(errHandler) })
	work(func(context.Context, *queue.Job[probe]) error { return nil }, `update job set lost = 1 where id = $1`)
	work(func(ctx context.Context, job *queue.Job[probe]) error { // somebody has locked it as its handler returns
		tx, err := b.pool.Begin(ctx)
		require.NoError(b.t, err)
		_, err = tx.Exec(ctx, `select from job where id = $1 for update`, job.ID)
		require.NoError(b.t, err)
		time.AfterFunc(100*time.Millisecond, func() { _ = tx.Rollback(context.WithoutCancel(ctx)) })

		return nil
	})

	// Claimed many at once; one of them waits for too long for the slot.
	running, leave := b.blocks()
	slots := durable.NewSlots(1)
	v := b.start(slots, b.stageMany(3)...)
	b.eventually(5*time.Second, func() bool { return running.Load() == 1 && v.count(durable.PutBack) == 2 })
	close(leave)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 1 })

	b.h.handle = func(context.Context, *queue.Job[probe]) error { return nil }
	many := b.start(durable.NewSlots(5), b.stageMany(5)...)
	b.eventually(5*time.Second, func() bool { return many.len() == 5 })

	// A key, a wake, and what operators do.
	keyed := b.stage(durable.Key("k"), durable.After(time.Hour))
	require.NoError(b.t, postgres.InTx(b.t.Context(), b.pool, func(tx *postgres.Tx) error {
		_, err := b.queue.FindUnattended(b.t.Context(), tx, "test.probe", []string{"k", "l"}, time.Hour)

		return errors.Join(err, b.queue.Wake(b.t.Context(), tx, "test.probe", "k"))
	}))

	admin := durable.NewAdmin(b.queue)

	for _, do := range []func(context.Context, durable.Order) (durable.Result, error){admin.Retry, admin.Cancel} {
		_, err := do(b.t.Context(), order(only(keyed, b.stage(durable.After(time.Hour)))))
		require.NoError(b.t, err)
	}

	// A lost worker, and lost tasks.
	lost := b.stage()
	b.lose(lost)
	b.eventually(20*time.Second, func() bool { return b.row(lost).Lost == 1 })

	gone := b.stage()
	b.eventually(5*time.Second, func() bool { return b.row(gone).State == "pushed" })
	b.engine.set(gone, "")
	b.eventually(20*time.Second, func() bool { return b.row(gone).Epoch == 2 })

	stray := b.stage()
	b.engine.set(stray, "active")
	b.eventually(20*time.Second, func() bool { return b.row(stray).Epoch == 2 })

	// A worker that stops.
	runner, h := b.worker()
	entered := make(chan struct{})
	h.handle = func(ctx context.Context, _ *queue.Job[probe]) error {
		close(entered)
		<-ctx.Done()

		return ctx.Err()
	}
	done, task := make(chan durable.Verdict, 1), b.stage()

	go func() { done <- runner.Work(context.Background(), task) }()

	<-entered
	runner.Interrupt()
	<-done
}

// explain runs a statement, takes back what it did, and returns how it was done.
func explain(t *testing.T, pool *pgxpool.Pool, sql string, args []any) plan {
	t.Helper()

	var plans []struct{ Plan plan }

	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)

	defer func() { _ = tx.Rollback(t.Context()) }()

	var out []byte
	require.NoError(t, tx.QueryRow(t.Context(), "explain (analyze, format json) "+sql, args...).Scan(&out), sql)
	require.NoError(t, json.Unmarshal(out, &plans))

	return plans[0].Plan
}
