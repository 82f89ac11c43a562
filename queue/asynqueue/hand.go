package asynqueue

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
	"imagerun/queue/internal/logthrottle"
)

const (
	maxTake     = 250 // tasks in one reply
	takeTimeout = 3 * time.Second
	maxStarts   = 2 // replies whose tasks are being claimed
	// Two tasks that come to a waiting hand within inARow are a sign of more: it goes and takes many.
	inARow = 2 * time.Millisecond
)

// hand takes the tasks of one group. While there are any it takes as many at once as there are slots for, of
// each queue its share; when all queues are empty it waits in Redis, once for each queue, and is given the next
// task without asking.
type hand struct {
	client redis.UniversalClient
	runner *durable.Runner
	slots  *durable.Slots
	tasks  *tasks
	log    *slog.Logger

	queues []*handQueue
	deck   []*handQueue // each as often as its weight

	empty atomic.Bool   // all queues were, when they were last looked at
	more  chan struct{} // capacity 1: they are no longer
	quit  chan struct{} // closed: no task any more
	ended sync.WaitGroup

	starts chan struct{} // as many as are started at once
}

// handQueue is one queue of a group.
type handQueue struct {
	name     string
	weight   int
	throttle logthrottle.Throttle
	wanted   chan struct{} // capacity 1: to wait for a task

	// mu guards how long the queue is left alone, and its waiter.
	mu      sync.Mutex
	refused int       // by Redis, how often in a row
	until   time.Time // left alone
	waiter  *waiter   // in Redis; nil: none
}

func newHand(client redis.UniversalClient, runner *durable.Runner, g Group, log *slog.Logger) *hand {
	h := &hand{
		client: client, runner: runner, slots: durable.NewSlots(g.Concurrency), tasks: newTasks(client, g.Queues, log), log: log,
		more: make(chan struct{}, 1), quit: make(chan struct{}), starts: make(chan struct{}, maxStarts),
	}

	for name, weight := range g.Queues {
		q := &handQueue{name: name, weight: weight, wanted: make(chan struct{}, 1)}
		h.queues = append(h.queues, q)

		for range weight {
			h.deck = append(h.deck, q)
		}
	}

	return h
}

// start has tasks taken. ctx carries values only.
func (h *hand) start(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)

	h.ended.Go(func() { h.takeAll(ctx) })

	for _, q := range h.queues {
		h.ended.Go(func() { h.awaitTasks(ctx, q) })
	}
}

// stop has no task taken any more, and returns when none is, or ctx ends: a Redis that hangs answers late.
func (h *hand) stop(ctx context.Context) {
	close(h.quit)

	ended := make(chan struct{})

	go func() {
		defer close(ended)

		h.ended.Wait()
	}()

	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()

	for {
		// Again and again: a waiter that is about to wait is not known yet.
		for _, q := range h.queues {
			q.unblockWaiter(ctx)
		}

		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeAll takes tasks, many at once, until the hand quits.
func (h *hand) takeAll(ctx context.Context) {
	for !h.isQuitting() {
		free := h.slots.Free()

		if free == 0 {
			select {
			case <-h.quit:
			case <-h.slots.Freed():
			}

			continue
		}

		if h.takeSome(ctx, free) {
			continue
		}

		h.empty.Store(true)

		for _, q := range h.queues {
			signalOnce(q.wanted)
		}

		select {
		case <-h.quit:
		case <-h.more:
		}

		h.empty.Store(false)
	}
}

// takeSome takes tasks of one queue, and reports whether there were any in any.
func (h *hand) takeSome(ctx context.Context, free int) bool {
	rand.Shuffle(len(h.deck), func(i, j int) { h.deck[i], h.deck[j] = h.deck[j], h.deck[i] }) //nolint:gosec // taking turns, not a secret

	asked := make(map[*handQueue]bool, len(h.queues))

	for _, q := range h.deck {
		if asked[q] || q.leftAlone() > 0 {
			continue
		}

		asked[q] = true
		share := min(max(free*q.weight/len(h.deck), 1), maxTake)

		h.slots.Take(share)

		names := h.takeFrom(ctx, q, share)
		h.slots.GiveBack(share - len(names))

		if len(names) > 0 {
			h.startBeside(ctx, q, names)

			return true
		}
	}

	return false
}

func (h *hand) takeFrom(ctx context.Context, q *handQueue, n int) []string {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()

	keys := []string{queueKey(q.name, "pending"), queueKey(q.name, "paused"), queueKey(q.name, "active")}

	names, err := takeScript.Run(ctx, h.client, keys, n).StringSlice()
	if err != nil {
		h.backOff(ctx, q, err)
	} else {
		q.resetBackOff()
	}

	return names
}

// startBeside starts tasks while the next are taken, unless others are being started already: what comes meanwhile
// goes together.
func (h *hand) startBeside(ctx context.Context, q *handQueue, names []string) {
	h.starts <- struct{}{}

	h.ended.Go(func() {
		defer func() { <-h.starts }()

		h.startTasks(ctx, q, names)
	})
}

// startTasks has the runner work tasks that count as taken.
func (h *hand) startTasks(ctx context.Context, q *handQueue, names []string) {
	taken := make([]durable.Taken, 0, len(names))

	for _, name := range names {
		one := h.tasks.addTask(q.name, name)

		id, epoch, err := durable.ParseName(name)
		if err != nil {
			h.slots.GiveBack(1)
			h.tasks.refuseForeign(one)

			continue
		}

		taken = append(taken, durable.Taken{
			Task: durable.Task{ID: id, Epoch: epoch, Queue: q.name},
			Ended: func(v durable.Verdict) {
				switch {
				case v.Do != durable.PutBack:
				case v.Code == durable.CodePaused:
					q.leaveAlone(pausedFor)
				case v.Code == durable.CodeUnreachable: // it would only take and put back what is there
					q.leaveAlone(pausedFor + rand.N(pausedFor)) //nolint:gosec // spreading load, not a secret
				}

				h.tasks.endTask(one, v)
			},
		})
	}

	h.runner.Start(ctx, h.slots, taken)
}

func (h *hand) isQuitting() bool {
	select {
	case <-h.quit:
		return true
	default:
		return false
	}
}

func signalOnce(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pausedFor is how long a queue is left alone that is paused, or whose jobs cannot be claimed.
const pausedFor = time.Second

// backOff leaves a queue alone that Redis has refused, as when the node of a cluster that has it is away, for a
// tenth of a second and, while that does not help, for up to two: the others go on, and a Redis that is out of
// memory is not asked 18,000 times a second.
func (h *hand) backOff(ctx context.Context, q *handQueue, err error) {
	q.mu.Lock()
	q.refused++
	wait := 50 * time.Millisecond << min(q.refused, 5)
	q.mu.Unlock()

	q.leaveAlone(min(wait+rand.N(wait), 2*time.Second)) //nolint:gosec // spreading load, not a secret

	q.throttle.Warn(ctx, h.log, "queue was not polled", slog.String("queue", q.name), slog.Any("error", err))
}

func (q *handQueue) resetBackOff() {
	q.mu.Lock()
	defer q.mu.Unlock()

	q.refused = 0
}

func (q *handQueue) leaveAlone(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()

	q.until = time.Now().Add(d)
}

// leftAlone returns for how long it is.
func (q *handQueue) leftAlone() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()

	return max(time.Until(q.until), 0)
}
