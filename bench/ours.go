package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

const (
	kind      = "bench.noop"
	queueName = "bench"
	quickPoll = 10 * time.Millisecond  // of bare asynq where a caller waits
	slowPoll  = 100 * time.Millisecond // and where none does
)

// noop is the job of every bench, for ours and for River.
type noop struct {
	N int64 `json:"n"`
}

// Kind implements queue.Args and river.JobArgs.
func (noop) Kind() string { return kind }

func benchKinds() queue.Kinds {
	return queue.NewKinds(queue.Policy{
		Args: noop{}, Queue: queueName, Attempts: 10, Timeout: time.Minute,
		Backoff: queue.Backoff{First: time.Second, Max: time.Minute, Factor: 2},
		Final:   []string{}, Snooze: time.Second,
	})
}

// background is goroutines that end together.
type background struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // that is what it is
}

func newBackground(ctx context.Context) *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))

	return b
}

func (b *background) run(fn func(context.Context) error) { b.wg.Go(func() { _ = fn(b.ctx) }) }

func (b *background) stop() {
	b.cancel()
	b.wg.Wait()
}

// ourSystem is the queue as the product wires it: a process that stages and pushes, a scheduler,
// and workers when a bench starts them. All are in this process, on one pool.
type ourSystem struct {
	pool      *pgxpool.Pool
	client    redis.UniversalClient
	pusher    *asynqueue.Pusher
	queue     *durable.Queue
	kinds     queue.Kinds
	queues    []string
	stmts     *statements
	carrier   *background // pushes what commits hand over
	scheduler *background // relay, sweeper, reconciler
}

func newOurs(ctx context.Context, s *servers, k queue.Kinds, concurrency int) (*ourSystem, error) {
	url, _, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	o := &ourSystem{kinds: k, queues: k.Queues(), stmts: &statements{}}

	if o.pool, err = openOurPool(ctx, url, o.stmts); err != nil {
		return nil, err
	}

	if o.client, err = asynqueue.Connect(s.newRedisDatabase(), concurrency+32); err != nil {
		o.pool.Close()

		return nil, err
	}

	o.pusher = asynqueue.NewPusher(o.client)
	o.queue = durable.New(o.pool, k, durable.Options{Pusher: o.pusher})
	o.carrier, o.scheduler = newBackground(ctx), newBackground(ctx)
	o.carrier.run(o.queue.Run)
	o.scheduler.run(o.queue.Maintain)

	return o, nil
}

func (o *ourSystem) close() {
	o.scheduler.stop()
	o.carrier.stop()
	_ = o.client.Close()
	o.pool.Close()
}

// startWorker starts a worker and returns how to stop it.
func (o *ourSystem) startWorker(ctx context.Context, h queue.HandlerFunc[noop], groups ...asynqueue.Group) (stop func(), err error) {
	reg := queue.NewRegistry(o.kinds)
	if h != nil {
		queue.Register(reg, h)
	}

	server, err := asynqueue.NewServer(o.client, durable.NewRunner(o.queue, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{Groups: groups})
	if err != nil {
		return nil, err
	}

	b := newBackground(ctx)
	b.run(server.Run)

	return b.stop, waitUntil(ctx, time.Millisecond, func() (bool, error) { return server.Ready(), nil })
}

// alone are the queues of a server that has one.
var alone = map[string]int{queueName: 1}

// singleQueueGroup is a group of one queue.
func singleQueueGroup(name string, concurrency int) asynqueue.Group {
	return asynqueue.Group{Name: name, Queues: map[string]int{name: 1}, Concurrency: concurrency}
}

// countJobs returns how many jobs there are of which the condition holds.
func (o *ourSystem) countJobs(ctx context.Context, where string) (n int, err error) {
	err = o.pool.QueryRow(ctx, "select count(*) from job where "+where).Scan(&n)

	return n, err
}

// countTasks returns how many tasks Redis holds in the given states.
func (o *ourSystem) countTasks(ctx context.Context, states ...string) (n int64, err error) {
	counts, err := o.pusher.Counts(ctx, o.queues)
	if err != nil {
		return 0, err
	}

	for _, c := range counts {
		for _, s := range states {
			if c.State == s {
				n += c.N
			}
		}
	}

	return n, nil
}

// waitPending waits until n jobs wait in Redis, where a worker would take them.
func (o *ourSystem) waitPending(ctx context.Context, n int) error {
	return waitUntil(ctx, 2*time.Millisecond, func() (bool, error) {
		tasks, err := o.countTasks(ctx, "pending")

		return tasks >= int64(n), err
	})
}

// waitMarked waits until every job in Postgres is marked as pushed, so that nothing of the staging
// is left to do.
func (o *ourSystem) waitMarked(ctx context.Context) error {
	return waitUntil(ctx, 20*time.Millisecond, func() (bool, error) {
		rows, err := o.countJobs(ctx, "state = 'staged'")

		return rows == 0, err
	})
}

// waitDrained waits until no job is left in Postgres and none is pending or active in Redis.
func (o *ourSystem) waitDrained(ctx context.Context) error {
	return waitUntil(ctx, 5*time.Millisecond, func() (bool, error) {
		rows, err := o.countJobs(ctx, "true")
		if err != nil || rows > 0 {
			return false, err
		}

		tasks, err := o.countTasks(ctx, "pending", "active", "retry", "scheduled")

		return tasks == 0, err
	})
}

// waitUntil asks each d until the answer is yes; two minutes are too long.
func waitUntil(ctx context.Context, d time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()

	t := time.NewTicker(d)
	defer t.Stop()

	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for too long: %w", ctx.Err())
		case <-t.C:
		}
	}
}
