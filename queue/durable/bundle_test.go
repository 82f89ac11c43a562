package durable_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// probe is the kind that these tests work: its handler is whatever the test says.
type probe struct {
	ID uuid.UUID `json:"id"`
}

func (probe) Kind() string { return "test.probe" }

type handler struct {
	handle func(ctx context.Context, job *queue.Job[probe]) error
	dead   func(ctx context.Context, tx pgx.Tx, args probe, code string) error
}

func (h *handler) Handle(ctx context.Context, job *queue.Job[probe]) error { return h.handle(ctx, job) }

func (h *handler) Dead(ctx context.Context, tx pgx.Tx, args probe, code string) error {
	if h.dead == nil {
		return nil
	}

	return h.dead(ctx, tx, args, code)
}

const attempts = 3

func kinds() queue.Kinds { return kindsLasting(time.Second) }

// kindsLasting has handlers that may take this long.
func kindsLasting(timeout time.Duration) queue.Kinds {
	return queue.NewKinds(queue.Policy{
		Args: probe{}, Aliases: []string{"test.probed"}, Queue: "tests", Attempts: attempts, Timeout: timeout,
		Backoff: queue.Backoff{First: 10 * time.Second, Max: time.Minute, Factor: 2},
		Final:   []string{"hopeless"}, Snooze: 7 * time.Second,
	})
}

// engine stands for asynq: it remembers what it was told, and can lose and refuse.
type engine struct {
	mu     sync.Mutex
	down   error
	pushes []durable.Push
	states map[string]string // task name → pending, active or nothing
	mark   durable.LossMarker
	other  durable.LossMarker // of another queue than tests

	delay func(durable.Push) // holds a push up on its way; nil: none is
}

func (e *engine) Push(_ context.Context, ps []durable.Push) error {
	for _, p := range ps {
		if e.delay != nil {
			e.delay(p)
		}
	}

	e.mu.Lock()
	defer e.mu.Unlock()

	if e.down != nil {
		return e.down
	}

	for _, p := range ps {
		if e.states[p.Name()] == "" {
			e.pushes = append(e.pushes, p)
			e.states[p.Name()] = "pending"
		}
	}

	return nil
}

func (e *engine) Forget(_ context.Context, tasks []durable.Task) error {
	for _, t := range tasks {
		e.set(t, "")
	}

	return nil
}

func (e *engine) Active(context.Context, []string) (tasks []durable.Task, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	for name, state := range e.states {
		if id, epoch, err := durable.ParseName(name); err == nil && state == "active" {
			tasks = append(tasks, durable.Task{ID: id, Epoch: epoch, Queue: "tests"})
		}
	}

	return tasks, e.down
}

func (e *engine) Alive(_ context.Context, tasks []durable.Task) ([]bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	alive := make([]bool, len(tasks))
	for i, t := range tasks {
		alive[i] = e.states[t.Name()] != ""
	}

	return alive, e.down
}

func (e *engine) TrimArchive(context.Context, []string) error { return nil }

func (e *engine) BumpLossMarker(_ context.Context, queues []string) (marks []durable.LossMarker, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	if e.down != nil {
		return nil, e.down
	}

	for _, q := range queues {
		m := &e.mark
		if q != "tests" {
			m = &e.other // which loses nothing
			m.Complete = true
		}

		m.Queue = q
		m.Count++
		marks = append(marks, *m)
	}

	return marks, nil
}

func (e *engine) MarkComplete(_ context.Context, m durable.LossMarker) error {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.mark.Complete = e.mark.Complete || m.Lost.Equal(e.mark.Lost)

	return e.down
}

func (e *engine) MarkLost(_ context.Context, m durable.LossMarker, at time.Time) (time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	if m.Lost.Equal(e.mark.Lost) {
		e.mark.Complete, e.mark.Lost = false, at
	}

	return e.mark.Lost, e.down
}

// lose forgets every task, as a server that was emptied does; or one that came back with what it
// had long ago.
func (e *engine) lose(m durable.LossMarker) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.states, e.mark = map[string]string{}, m
}

func (e *engine) whole() bool {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.mark.Complete && e.mark.Count > 2
}

func (e *engine) set(t durable.Task, state string) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.states[t.Name()] = state
}

func (e *engine) state(t durable.Task) string {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.states[t.Name()]
}

// refuse has every call fail with err; nil heals it.
func (e *engine) refuse(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.down = err
}

func (e *engine) pushed() []durable.Push {
	e.mu.Lock()
	defer e.mu.Unlock()

	return append([]durable.Push(nil), e.pushes...)
}

type bundle struct {
	t      *testing.T
	pool   *pgxpool.Pool
	kinds  queue.Kinds
	queue  *durable.Queue
	engine *engine
	runner *durable.Runner
	h      *handler
}

func setup(t *testing.T, timing durable.Timing) *bundle {
	t.Helper()

	return setupOn(t, devtest.Postgres(t), timing)
}

func setupOn(t *testing.T, pool *pgxpool.Pool, timing durable.Timing) *bundle {
	t.Helper()

	return setupKinds(t, pool, timing, kinds())
}

func setupKinds(t *testing.T, pool *pgxpool.Pool, timing durable.Timing, ks queue.Kinds) *bundle {
	t.Helper()

	b := &bundle{t: t, pool: pool, kinds: ks, engine: &engine{states: map[string]string{}, mark: durable.LossMarker{Complete: true}}}
	b.queue = durable.New(pool, ks, durable.Options{Pusher: b.engine, Timing: timing})
	b.runner, b.h = b.worker()

	return b
}

// worker returns another runner, as of another process.
func (b *bundle) worker() (*durable.Runner, *handler) {
	h := &handler{handle: func(context.Context, *queue.Job[probe]) error { return nil }}
	reg := queue.NewRegistry(b.kinds)
	queue.Register(reg, h)

	return durable.NewRunner(b.queue, reg, durable.RunnerOptions{Outage: postgres.Outage}), h
}

// stage commits a job and returns its first task.
func (b *bundle) stage(opts ...durable.StageOption) durable.Task {
	b.t.Helper()

	task := durable.Task{Epoch: 1, Queue: "tests", Kind: "test.probe"}

	require.NoError(b.t, postgres.InTx(b.t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		task.ID, err = b.queue.Stage(b.t.Context(), tx, probe{ID: uuid.New()}, opts...)

		return err
	}))

	return task
}

// background runs fn until the test ends, and then waits for it.
func (b *bundle) background(fn func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)

	go func() { done <- fn(ctx) }()

	b.t.Cleanup(func() {
		cancel()
		require.NoError(b.t, <-done)
	})
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()

	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// row is what a test looks at; the zero value is a job that is gone.
type row struct {
	State   string
	Epoch   int
	Attempt int
	Lost    int
	Code    string
	DueIn   float64
}

func (b *bundle) row(t durable.Task) (r row) {
	b.t.Helper()

	rows, err := b.pool.Query(b.t.Context(), `select state, epoch, attempt, lost, coalesce(error_code, '') as code,
		extract(epoch from run_at - clock_timestamp())::float8 as due_in from job where id = $1`, t.ID)
	require.NoError(b.t, err)

	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	require.NoError(b.t, err)

	if len(all) == 1 {
		r = all[0]
	}

	return r
}

func (b *bundle) gone(t durable.Task) {
	b.t.Helper()
	require.Equal(b.t, row{}, b.row(t))
}

// eventually waits for a condition; it is checked on the test's own goroutine's behalf.
func (b *bundle) eventually(within time.Duration, cond func() bool) {
	b.t.Helper()
	require.Eventually(b.t, cond, devtest.Patience(within), 10*time.Millisecond)
}
