package asynqueue

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/batcher"
	"imagerun/queue/durable"
	"imagerun/queue/internal/logthrottle"
	"imagerun/queue/internal/loop"
)

const (
	promoteEvery   = 100 * time.Millisecond
	bookAfter      = 50 * time.Millisecond // a task that lasts longer is shown as active
	adoptAfter     = time.Second           // one that lasts longer is asynq's to keep
	leaseFor       = 30 * time.Second      // as asynq has it
	statsFor       = 90 * 24 * time.Hour   // as asynq has it
	maxScriptTasks = 200                   // tasks in one script
	scriptTimeout  = 5 * time.Second       // for one script
)

// tasks are those that a group has in hand. Most begin and end without Redis being told anything but that
// they are done, many at once. One that lasts is booked: it has a lease, and is shown as active. One that lasts
// for longer, comes back later or is dead is given to asynq, whose server extends its lease, shows it among
// its workers, and moves it to where it waits or is buried.
type tasks struct {
	client redis.UniversalClient
	log    *slog.Logger
	books  map[string]*batcher.Batcher[*task]  // by queue: to be booked
	ends   map[string]*batcher.Batcher[ending] // by queue: asynq has not, and need not have them

	throttle logthrottle.Throttle

	handed chan struct{} // capacity 1: there is something for asynq

	// mu guards the tasks below, and what each says that it guards.
	mu    sync.Mutex
	open  map[string]*task // by name
	given []*task          // to asynq, which has not asked yet
}

// task is one in hand.
type task struct {
	queue, name string
	since       time.Time

	// Guarded by tasks.mu.
	message string           // asynq's; empty: not booked
	booking bool             // it is being booked
	foreign bool             // not ours: asynq is to put it away, and need not ask what to do
	verdict *durable.Verdict // nil: it runs
	ended   chan struct{}    // of one that was given to asynq: closed with the verdict; nil: it was not
}

// ending is a task that is removed, or put back to where it was taken from.
type ending struct {
	name string
	back bool
}

func newTasks(client redis.UniversalClient, queues map[string]int, log *slog.Logger) *tasks {
	t := &tasks{
		client: client, log: log, open: map[string]*task{}, handed: make(chan struct{}, 1),
		books: map[string]*batcher.Batcher[*task]{}, ends: map[string]*batcher.Batcher[ending]{},
	}

	for q := range queues {
		t.books[q] = &batcher.Batcher[*task]{Max: maxScriptTasks, Do: func(batch []*task) { t.bookTasks(q, batch) }}
		t.ends[q] = &batcher.Batcher[ending]{Max: maxScriptTasks, Do: func(batch []ending) { t.tellRedis(q, batch) }}
	}

	return t
}

// addTask has a task of this name count as in hand.
func (t *tasks) addTask(queue, name string) *task {
	one := &task{queue: queue, name: name, since: time.Now()}

	t.mu.Lock()
	defer t.mu.Unlock()

	t.open[name] = one

	return one
}

// endTask has Redis follow what became of a task.
func (t *tasks) endTask(one *task, v durable.Verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()

	one.verdict = &v

	switch {
	case one.ended != nil:
		close(one.ended)
	case v.Do == durable.Ack || v.Do == durable.PutBack:
		delete(t.open, one.name)
		t.ends[one.queue].Add(ending{one.name, v.Do == durable.PutBack})
	default:
		t.giveOrBook(one)
	}
}

// refuseForeign has asynq put a task away that is not ours.
func (t *tasks) refuseForeign(one *task) {
	t.mu.Lock()
	defer t.mu.Unlock()

	one.foreign, one.verdict = true, &durable.Verdict{}
	t.giveOrBook(one)
}

// giveOrBook gives a task to asynq, which needs its message. Callers hold mu.
func (t *tasks) giveOrBook(one *task) {
	switch {
	case one.ended != nil || one.booking:
	case one.message == "":
		one.booking = true
		t.books[one.queue].Add(one)
	default:
		one.ended = make(chan struct{})
		if one.verdict != nil {
			close(one.ended)
		}

		t.given = append(t.given, one)

		select {
		case t.handed <- struct{}{}:
		default:
		}
	}
}

// nextGiven returns the next task for asynq; nil: there is none.
func (t *tasks) nextGiven() *task {
	t.mu.Lock()
	defer t.mu.Unlock()

	if len(t.given) == 0 {
		return nil
	}

	next := t.given[0]
	t.given = t.given[1:]

	if next.foreign {
		delete(t.open, next.name)
	}

	return next
}

// findAdopted returns the task of a name that was given to asynq, and what is closed when its verdict is there; nil:
// there is none, or not any more.
func (t *tasks) findAdopted(name string) (*task, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if one := t.open[name]; one != nil && one.ended != nil {
		return one, one.ended
	}

	return nil, nil
}

// leaveToAsynq leaves a task to asynq, and returns what it is to do with it.
func (t *tasks) leaveToAsynq(one *task) durable.Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.open[one.name] == one { // else it was taken once more, after a standstill of Redis
		delete(t.open, one.name)
	}

	return *one.verdict
}

// runPromotions books and gives away what lasts, until ctx ends.
func (t *tasks) runPromotions(ctx context.Context) {
	loop.Every(ctx, promoteEvery, func(context.Context) { t.promoteLasting() })
}

func (t *tasks) promoteLasting() {
	t.mu.Lock()
	defer t.mu.Unlock()

	for _, one := range t.open {
		lasted := time.Since(one.since)

		switch {
		case one.message == "" && lasted > bookAfter, lasted > adoptAfter, one.verdict != nil:
			t.giveOrBook(one)
		}
	}
}

// bookTasks books tasks of one queue. What Redis does not take now is tried again, see promoteLasting.
func (t *tasks) bookTasks(queue string, batch []*task) {
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()

	args := []any{time.Now().Add(leaseFor).Unix(), queueKey(queue, "t:")}
	for _, one := range batch {
		args = append(args, one.name)
	}

	messages, err := bookScript.Run(ctx, t.client, []string{queueKey(queue, "lease")}, args...).StringSlice()
	if err != nil {
		t.warnThrottled("tasks in hand were not booked", queue, err)
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	for i, one := range batch {
		one.booking = false

		if err != nil {
			continue
		}

		one.message = messages[i]

		switch {
		case one.verdict == nil || t.open[one.name] != one: // it runs, or was done meanwhile
		case one.message == "": // Redis has lost it, and asynq has nothing to work with
			delete(t.open, one.name)
			t.ends[queue].Add(ending{name: one.name})
		default:
			t.giveOrBook(one)
		}
	}
}

// tellRedis tells Redis of tasks that are in hand no longer. What cannot be told in time is still in hand there, and
// the reconciler finds that no worker has it.
func (t *tasks) tellRedis(queue string, batch []ending) {
	done, back := []any{}, []any{}

	for _, e := range batch {
		if e.back {
			back = append(back, e.name)
		} else {
			done = append(done, e.name)
		}
	}

	for wait := 100 * time.Millisecond; wait < leaseFor; wait *= 2 {
		err := t.tellRedisOnce(queue, done, back)
		if err == nil {
			return
		}

		t.warnThrottled("ended tasks were not acknowledged", queue, err)
		<-time.After(wait)
	}
}

func (t *tasks) tellRedisOnce(queue string, done, back []any) error {
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()

	prefix := queueKey(queue, "t:")

	if len(back) > 0 {
		keys := []string{queueKey(queue, "pending"), queueKey(queue, "active"), queueKey(queue, "lease")}
		if err := putBackScript.Run(ctx, t.client, keys, append([]any{prefix}, back...)...).Err(); err != nil {
			return err
		}
	}

	if len(done) == 0 {
		return nil
	}

	now := time.Now().UTC()
	keys := []string{
		queueKey(queue, "active"), queueKey(queue, "lease"),
		queueKey(queue, "processed:"+now.Format(time.DateOnly)), queueKey(queue, "processed"),
	}

	return finishScript.Run(ctx, t.client, keys, append([]any{prefix, now.Add(statsFor).Unix(), int64(math.MaxInt64)}, done...)...).Err()
}

func (t *tasks) warnThrottled(what, queue string, err error) {
	t.throttle.Warn(context.Background(), t.log, what, slog.String("queue", queue), slog.Any("error", err))
}

// awaitTold waits until Redis was told of everything, or ctx ends.
func (t *tasks) awaitTold(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()

	for ctx.Err() == nil {
		t.mu.Lock()
		left := len(t.open)
		t.mu.Unlock()

		if left == 0 {
			break
		}

		select {
		case <-ctx.Done():
		case <-tick.C:
			t.promoteLasting()
		}
	}

	for _, b := range t.ends {
		select {
		case <-b.Idle():
		case <-ctx.Done():
		}
	}
}
