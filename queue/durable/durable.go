package durable

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/queue"
	"imagerun/queue/batcher"
	"imagerun/queue/durable/db"
	"imagerun/queue/internal/logthrottle"
)

// Task names one push of a job. An older epoch than the row's is a duplicate.
type Task struct {
	ID    uuid.UUID
	Epoch int32
	Queue string
	Kind  string
}

// Name is what the task is called in Redis: id:epoch.
func (t Task) Name() string { return t.ID.String() + ":" + strconv.Itoa(int(t.Epoch)) }

// ParseName reads a [Task.Name].
func ParseName(name string) (id uuid.UUID, epoch int32, err error) {
	left, right, ok := strings.Cut(name, ":")
	if !ok {
		return id, 0, fmt.Errorf("task name %q has no epoch", name)
	}

	if id, err = uuid.Parse(left); err != nil {
		return id, 0, fmt.Errorf("task name %q has no id", name)
	}

	n, err := strconv.ParseInt(right, 10, 32)
	if err != nil {
		return id, 0, fmt.Errorf("task name %q has no epoch", name)
	}

	return id, int32(n), nil
}

// Push is a task to be made known to the workers.
type Push struct {
	Task

	RunAt   time.Time     // not before, by the clock of this process; in the past: at once
	Timeout time.Duration // of the kind; the engine's own must be far beyond it
}

// Pusher is the engine that carries tasks to workers. queue/asynqueue implements it.
type Pusher interface {
	// Push makes tasks of one queue known to the workers. One of that name that is there already is
	// success; after an error nothing is known of any.
	Push(ctx context.Context, ps []Push) error
	// Forget removes tasks that a newer epoch replaces, unless they wait for their turn, where they
	// do no harm. One that is not there is success.
	Forget(ctx context.Context, tasks []Task) error
	// Active returns the tasks that some worker took and has not answered for. Their kind is empty.
	Active(ctx context.Context, queues []string) ([]Task, error)
	// Alive reports of each task whether the engine will still bring it to a worker, or has.
	Alive(ctx context.Context, tasks []Task) ([]bool, error)
	// BumpLossMarker counts the marker of each queue up by one, in whatever stores the queue's tasks and is
	// lost with them, and reports it. With an error come the markers that could be counted.
	BumpLossMarker(ctx context.Context, queues []string) ([]LossMarker, error)
	// MarkLost takes back that the tasks beside a marker are complete and writes into it when they were found
	// lost, unless it was written since m was read; it returns what is written there then.
	MarkLost(ctx context.Context, m LossMarker, at time.Time) (time.Time, error)
	// MarkComplete says of a queue's marker that the tasks beside it are complete again, unless they were
	// lost at another time than m has it.
	MarkComplete(ctx context.Context, m LossMarker) error
	// TrimArchive keeps what is there for the eye only from growing for ever.
	TrimArchive(ctx context.Context, queues []string) error
}

// LossMarker is what the engine has beside the tasks of one queue, to tell that it has lost them.
type LossMarker struct {
	Queue    string
	Count    int64     // rises with each [Pusher.BumpLossMarker]; lower than before: the engine's data is another
	Complete bool      // false: the tasks were never pushed, or were lost
	Lost     time.Time // when a loss was noticed last, by the database's clock, in microseconds; zero: never
}

// Options say how the queue reaches its workers, and when it looks after what.
type Options struct {
	Pusher Pusher       // nil: jobs are only staged, and some other process relays them
	Log    *slog.Logger // nil: silent
	Timing Timing

	// Restore puts back whatever else the engine held of these queues, such as pauses, before
	// their jobs are pushed again after a loss. It may be called again at any time. Nil: nothing.
	Restore func(ctx context.Context, queues []string) error
}

// Timing holds every interval. A zero field means the default, which the promises of
// docs/guarantees.md are made of; tests shorten them.
type Timing struct {
	Lease      time.Duration // a claim without heartbeat is lost after this; 10 s
	Heartbeat  time.Duration // leases are extended each; 3 s
	Relay      time.Duration // staged rows are looked for each; 500 ms
	RelayAfter time.Duration // and are pushed by the relay when older than; 300 ms
	Sweep      time.Duration // expired leases are looked for each; 500 ms
	Reconcile  time.Duration // rows are compared with Redis each; 5 s
	Overdue    time.Duration // pushed or retrying rows are suspicious when late by; 10 s
	AskAgain   time.Duration // a suspicious row is asked about at most each; 30 s
	Watch      time.Duration // the marker that Redis loses with its data is looked at each; 1 s
	Ahead      time.Duration // a job due later is pushed this long before; 5 min
	Grace      time.Duration // a handler may take this to notice the end of its context; 5 s
	Patience   time.Duration // a worker tries to write an outcome for this long; 1 min
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Lease, 10 * time.Second},
		{&t.Heartbeat, 3 * time.Second},
		{&t.Relay, 500 * time.Millisecond},
		{&t.RelayAfter, 300 * time.Millisecond},
		{&t.Sweep, 500 * time.Millisecond},
		{&t.Reconcile, 5 * time.Second},
		{&t.Overdue, 10 * time.Second},
		{&t.AskAgain, 30 * time.Second},
		{&t.Watch, time.Second},
		{&t.Ahead, 5 * time.Minute},
		{&t.Grace, 5 * time.Second},
		{&t.Patience, time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}

	return t
}

// Queue stages jobs and sees to it that they are pushed. Its methods may be called by many
// goroutines.
type Queue struct {
	pool    *pgxpool.Pool
	kinds   queue.Kinds
	pusher  Pusher
	log     *slog.Logger
	timing  Timing
	restore func(ctx context.Context, queues []string) error
	db      *db.Queries
	metrics *metrics

	breaker  pushBreaker
	throttle logthrottle.Throttle

	carrying atomic.Bool                              // Run does what commits hand over
	pushes   map[string]*batcher.Batcher[pendingPush] // by queue: off the path of commits
	marks    chan Push                                // pushed, to be marked so
}

// pendingPush is a push, and whether the epoch before it may still be in Redis.
type pendingPush struct {
	Push

	replaces bool
}

// maxBacklog bounds what commits may leave to the background, of each queue; more is left to the relay.
const maxBacklog = 4096

// New returns a queue on pool. It starts nothing: [Queue.Run] pushes what commits hand over, and
// without it the relay of [Queue.Maintain] does, a little later.
func New(pool *pgxpool.Pool, kinds queue.Kinds, o Options) *Queue {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	if o.Restore == nil {
		o.Restore = func(context.Context, []string) error { return nil }
	}

	q := &Queue{
		pool:    pool,
		kinds:   kinds,
		pusher:  o.Pusher,
		log:     o.Log,
		timing:  o.Timing.withDefaults(),
		restore: o.Restore,
		db:      db.New(),
		metrics: newMetrics(),
		marks:   make(chan Push, maxBacklog),
	}
	q.pushes = q.newPushBatchers()

	return q
}

// soon is now: engines keep whole seconds, and would be later than that. A claim may be as early.
const soon = 100 * time.Millisecond

// newPush returns a push that is due in a while from now. What the database says is a wait, too: its clock may be
// another than ours.
func (q *Queue) newPush(t Task, dueIn time.Duration) Push {
	p, _ := q.kinds.Policy(t.Kind) // of an unknown kind nothing is known but that it was staged

	if dueIn < soon {
		dueIn = 0
	}

	return Push{Task: t, RunAt: time.Now().Add(dueIn), Timeout: p.Timeout}
}
