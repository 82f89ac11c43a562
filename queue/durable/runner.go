package durable

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// Verdict is what the engine shall do with a task that was brought to [Runner.Work]. Postgres
// knows already; the engine only follows.
type Verdict struct {
	Do    Action
	After time.Duration // of Again: bring it back after this
	Code  string        // of Again and Bury: the code of the error, for people to see
	Spent bool          // of Again: an attempt failed, as opposed to "not now"
}

// Action is one of Ack, Again and Bury. The zero value is Ack.
type Action int

// The actions.
const (
	Ack   Action = iota // forget the task: done, replaced, or a duplicate
	Again               // bring the same task back later
	Bury                // the job is dead; what the engine keeps of it is for the eye only
)

// RunnerOptions say how a worker treats errors.
type RunnerOptions struct {
	Log *slog.Logger // nil: silent
	// Code names the error of a handler, from a closed list. Nil, or an answer that is no
	// snake_case word, means "error".
	Code func(error) string
}

// Runner works jobs: it claims, keeps the lease, calls the handler and writes the outcome to
// Postgres before it tells the engine what to do. One runner serves all of a process.
type Runner struct {
	q   *Queue
	reg *queue.Registry
	log *slog.Logger
	// codeOf names a handler's error.
	codeOf func(error) string

	claims   gatherer[db.JobClaimRow]
	finishes gatherer[int64]

	mu       sync.Mutex
	runs     map[*run]struct{}
	stopping bool
	idle     []chan struct{} // closed when runs is empty
}

// run is one task in hand.
type run struct {
	r      *Runner
	task   Task
	holder uuid.UUID
	cancel context.CancelCauseFunc

	claimed   atomic.Bool // has a row that heartbeats extend
	completed atomic.Bool // the handler called Complete
}

// NewRunner returns a runner of q's jobs with reg's handlers. [Runner.Run] keeps the leases.
func NewRunner(q *Queue, reg *queue.Registry, o RunnerOptions) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	r := &Runner{q: q, reg: reg, log: o.Log, codeOf: coder(o.Code), runs: make(map[*run]struct{})}
	r.claims.one, r.claims.many = r.claimOne, r.claimMany
	r.finishes.one, r.finishes.many = r.finishOne, r.finishMany

	return r
}

// Work does everything about one task: claim, handler, outcome. It returns only when the handler
// has, whatever became of its context, so that a slot of the engine is a running handler. ctx
// carries values only; its end is ignored.
func (r *Runner) Work(ctx context.Context, t Task) Verdict {
	ctx = context.WithoutCancel(ctx)

	w, ok := r.reg.Worker(t.Kind)
	if !ok {
		// A rolling deploy: another worker may know the kind.
		r.q.metrics.count(t.Kind, t.Queue, eventNoHandler)

		return Verdict{Do: Again, After: 5 * time.Second, Code: "no_handler"}
	}

	policy, _ := r.reg.Kinds().Policy(t.Kind)

	hctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	u := &run{r: r, task: t, holder: uuid.New(), cancel: cancel}
	if !r.begin(u) {
		return later("stopping")
	}
	defer r.end(u)

	row, v, ok := r.claim(ctx, u)
	if !ok {
		return v
	}

	o := &outcome{
		run: u, worker: w, policy: policy, args: row.Args,
		attempt: int(row.Attempt) + 1, started: time.Now(), canceled: row.Canceling,
	}

	if o.canceled {
		return r.settle(ctx, o)
	}

	r.q.metrics.count(t.Kind, t.Queue, eventStarted)
	r.q.metrics.late.WithLabelValues(t.Kind, t.Queue).Observe(max(row.Late, 0))

	hctx, stop := context.WithTimeoutCause(hctx, policy.Timeout, queue.ErrTimeout)
	defer stop()

	done := make(chan error, 1)

	go o.call(hctx, done)

	if o.await(hctx, done) {
		return r.settle(ctx, o)
	}

	// The handler ignores its context. Its job goes on elsewhere, but the slot stays taken: a
	// handler that runs still costs what it costs.
	r.q.metrics.count(t.Kind, t.Queue, eventDeaf)
	r.settle(ctx, o)
	u.claimed.Store(false)

	<-done //nolint:errcheck // what it says now is nobody's

	return Verdict{Do: Ack}
}

// await returns true when the handler has returned, false when it did not within the grace after
// its context's end.
func (o *outcome) await(ctx context.Context, done chan error) bool {
	select {
	case o.err = <-done:
		o.cause = context.Cause(ctx)

		return true
	case <-ctx.Done():
	}

	grace := time.NewTimer(o.run.r.q.timing.Grace)
	defer grace.Stop()

	o.cause = context.Cause(ctx)

	select {
	case o.err = <-done:
		return true
	case <-grace.C:
		o.err, o.deaf = o.cause, true

		return false
	}
}

// claim takes the job, or says what to do with the task instead.
func (r *Runner) claim(ctx context.Context, u *run) (row db.JobClaimRow, v Verdict, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	row, err := r.claims.do(ctx, u)
	if err == nil {
		u.claimed.Store(true)

		return row, v, true
	}

	if err == pgx.ErrNoRows { //nolint:errorlint // pgx returns the value itself
		v, err = r.unclaimed(ctx, u.task)
	}

	if err != nil {
		// Whatever it is, nothing was written that we know of, and the job cannot help it.
		r.log.WarnContext(ctx, "job was not claimed", slog.String("job_id", u.task.ID.String()), slog.String("kind", u.task.Kind), slog.Any("error", err))

		return row, later("postgres_unreachable"), false
	}

	return row, v, false
}

// unclaimed says what to do with a task that is not to be claimed.
func (r *Runner) unclaimed(ctx context.Context, t Task) (Verdict, error) {
	look, err := r.q.db.JobLook(ctx, r.q.pool, t.ID)

	switch {
	case err == pgx.ErrNoRows: //nolint:errorlint // pgx returns the value itself
		// Done before.
	case err != nil:
		return Verdict{}, err
	case look.Epoch == t.Epoch && look.State != stateRunning && look.State != stateDead && look.DueIn > 0:
		// Somebody in the engine was early: an operator, or a clock.
		return Verdict{Do: Again, After: seconds(look.DueIn), Code: "not_due"}, nil
	}

	r.q.metrics.count(t.Kind, t.Queue, eventDuplicate)

	return Verdict{Do: Ack}, nil
}

// later is for what is nobody's failure: again in 1 to 5 seconds.
func later(code string) Verdict {
	jitter := time.Duration(rand.Int64N(int64(4 * time.Second))) //nolint:gosec // spreading load, not a secret

	return Verdict{Do: Again, After: time.Second + jitter, Code: code}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Registry returns the handlers that this runner calls.
func (r *Runner) Registry() *queue.Registry { return r.reg }
