package durable

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"imagerun/queue"
	"imagerun/queue/batcher"
)

// Verdict is what the engine shall do with a task that was brought to [Runner.Start]. Postgres
// knows already; the engine only follows.
type Verdict struct {
	Do    Action
	After time.Duration // of Again: bring it back after this
	Code  string        // of Again and Bury: the code of the error, for people to see; of PutBack: why
	Spent bool          // of Again: an attempt failed, as opposed to "not now"
}

// Action is one of Ack, Again, Bury and PutBack. The zero value is Ack.
type Action int

// The actions.
const (
	Ack     Action = iota // forget the task: done, replaced, or a duplicate
	Again                 // bring the same task back later
	Bury                  // the job is dead; what the engine keeps of it is for the eye only
	PutBack               // it was not begun: it is the next for any worker, as if it had not been taken
)

// Codes of PutBack.
const (
	CodeStopping = "stopping" // this worker takes nothing any more
	CodePaused   = "paused"   // no worker is to take anything of its queue
	CodeNoSlot   = "no_slot"  // all slots of this worker are taken for longer than it looked
	// CodeUnreachable says that this worker does not reach Postgres: another may take the job, or this one later.
	CodeUnreachable = "postgres_unreachable"
)

// RunnerOptions say how a worker treats errors.
type RunnerOptions struct {
	Log *slog.Logger // nil: silent
	// Code names the error of a handler, from a closed list. Nil, or an answer that is no
	// snake_case word, means "error".
	Code func(error) string
	// Outage reports whether a handler's error says that Postgres or another part of our own was away: it spends
	// no attempt then, not even the last. Nil: no error does.
	Outage func(error) bool
}

// Taken is a task that the engine gave to this process. Its kind need not be known.
type Taken struct {
	Task

	// Ended is called once, from any goroutine, when Postgres knows the outcome and the handler has returned.
	Ended func(Verdict)
}

// Runner works jobs: it claims, keeps the lease, calls the handler and writes the outcome to
// Postgres before it tells the engine what to do. One runner serves all of a process.
type Runner struct {
	q   *Queue
	id  uuid.UUID // its first half is that of each holder: whose leases run out together
	reg *queue.Registry
	log *slog.Logger
	// codeOf names a handler's error.
	codeOf func(error) string
	// outage says which of them spend no attempt.
	outage func(error) bool
	// kinds are those that have a handler here.
	kinds func() []string

	finishes batcher.Batcher[*run] // of handlers that returned nil
	spare    chan *run             // to goroutines that have called a handler

	suspects chan struct{} // capacity 1: one is in hand

	// mu guards what this process has in hand.
	mu       sync.Mutex
	runs     map[*run]struct{}
	stopping bool
	busy     chan struct{} // closed when runs is empty; nil: it is
}

// run is one task in hand, and what becomes of it.
//
//nolint:containedctx // it goes from hand to hand, and no caller waits for it
type run struct {
	r      *Runner
	task   Task
	holder uuid.UUID
	slots  *Slots
	ended  func(Verdict)

	base   context.Context // values only
	ctx    context.Context // of the handler, but for its timeout
	cancel context.CancelCauseFunc
	busy   <-chan struct{} // closed when no task is in hand any more

	// What the claim said.
	worker   queue.Worker
	policy   queue.Policy
	args     []byte
	attempt  int       // this one, from 1
	canceled bool      // by an operator: dead, whatever the handler says; it may not have run
	poisoned bool      // it has lost too many leases in a row: dead, and its handler is not called
	suspect  bool      // a lease that it lost may have been its doing: no other such job is worked here meanwhile
	started  time.Time // claimed, and then: the handler called

	// What came of it.
	err   error       // what the handler returned
	cause error       // why its context had ended by then, or nil
	stuck bool        // it has not returned at all
	notes queue.Notes // what it said by [queue.About]

	claimed   atomic.Bool    // its claim was answered: a heartbeat that does not find the row means that it is another's
	completed atomic.Bool    // the handler called Complete
	committed atomic.Bool    // and its transaction was committed
	stage     atomic.Int32   // of the handler
	settling  sync.WaitGroup // the outcome of a handler that has not returned is being written
}

// NewRunner returns a runner of q's jobs with reg's handlers. [Runner.Run] keeps the leases.
func NewRunner(q *Queue, reg *queue.Registry, o RunnerOptions) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	if o.Outage == nil {
		o.Outage = func(error) bool { return false }
	}

	r := &Runner{
		q: q, id: uuid.New(), reg: reg, log: o.Log, codeOf: sanitizeCodes(o.Code), outage: o.Outage, kinds: sync.OnceValue(reg.Names),
		spare: make(chan *run), suspects: make(chan struct{}, 1), runs: make(map[*run]struct{}),
	}
	r.finishes.Do = r.finishMany

	return r
}

// Registry returns the handlers that this runner calls.
func (r *Runner) Registry() *queue.Registry { return r.reg }

// Work is [Runner.Start] for one task and a slot of its own; it waits for the verdict.
func (r *Runner) Work(ctx context.Context, t Task) Verdict {
	slots, verdict := NewSlots(1), make(chan Verdict, 1)
	slots.Take(1)
	r.Start(ctx, slots, []Taken{{Task: t, Ended: func(v Verdict) { verdict <- v }}})

	return <-verdict
}

// Start does everything about tasks that came together and count as taken from slots: claim (one statement
// for all), handler, outcome. It returns when they are claimed, before the rest. A slot is taken
// until its handler has returned, whatever became of the handler's context. ctx carries values only; its end
// is ignored.
func (r *Runner) Start(ctx context.Context, slots *Slots, tasks []Taken) {
	ctx = context.WithoutCancel(ctx)
	runs := make([]*run, 0, len(tasks))

	for _, t := range tasks {
		u := r.newRun(ctx, slots, t)

		if !r.addRun(u) {
			u.answerUncalled(Verdict{Do: PutBack, Code: CodeStopping})

			continue
		}

		runs = append(runs, u)
	}

	if len(runs) > 0 {
		r.claimMany(ctx, runs)
	}
}

func (r *Runner) newRun(ctx context.Context, slots *Slots, t Taken) *run {
	u := &run{r: r, task: t.Task, holder: uuid.New(), slots: slots, ended: t.Ended, base: ctx}
	copy(u.holder[:8], r.id[:8])
	u.ctx, u.cancel = context.WithCancelCause(ctx)

	return u
}

// answerUncalled answers for a task whose handler was not called.
func (u *run) answerUncalled(v Verdict) {
	u.slots.uncountHeld()
	u.answerEngine(v)
}

// answerEngine ends what a run holds in this process, but for its slot, and tells the engine.
func (u *run) answerEngine(v Verdict) {
	u.cancel(nil)
	u.r.removeRun(u)
	u.slots.uncountOpen()
	u.ended(v)
}

// notNow is for what is no failure of the job: again in 1 to 5 seconds.
func notNow(code string) Verdict {
	jitter := time.Duration(rand.Int64N(int64(4 * time.Second))) //nolint:gosec // spreading load, not a secret

	return Verdict{Do: Again, After: time.Second + jitter, Code: code}
}

func fromSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
