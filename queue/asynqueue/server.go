package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

const (
	// A server that no push wakes looks for tasks all the same: an announcement may be lost, and
	// what was retried or paused has none.
	quickPause = 50 * time.Millisecond  // of latency groups
	slowPause  = 200 * time.Millisecond // of all others

	fetchMost   = 100 // tasks in one reply
	fetchWithin = 3 * time.Second
	maxQueues   = 6           // per server: each look asks one after the other
	askRedis    = time.Second // between looks at a Redis that does not answer
	checkWithin = 5 * time.Second
)

// ErrHandlersLeft says that handlers were still running at the hard deadline of a shutdown. Their
// jobs belong to other workers by then. The process should exit and leave the Redis client open:
// asynq is still using it, and panics when its subscription is closed under it.
var ErrHandlersLeft = errors.New("handlers still run at the hard deadline")

// ErrEngineLeft says that no handler is left, but that asynq had not stopped by the hard deadline,
// as when Redis does not answer. The shutdown is a good one otherwise; for the Redis client the
// same holds as for [ErrHandlersLeft].
var ErrEngineLeft = errors.New("asynq still runs at the hard deadline")

// Group is a set of queues with workers of its own: no group starves another.
type Group struct {
	Name        string
	Queues      map[string]int // name → weight against the others of this group, at least 1
	Concurrency int            // jobs at once, at least 1
	Latency     bool           // somebody waits for these: two servers, which look sooner when a wake-up was lost
}

// ServerOptions say what a worker does.
type ServerOptions struct {
	Groups []Group
	Log    *slog.Logger // nil: silent

	// FinishWithin is how long jobs may go on after a shutdown began; zero: 20 s.
	FinishWithin time.Duration
	// ExitWithin is when, counted from the same moment, handlers are no longer waited for; zero: 60 s.
	ExitWithin time.Duration
}

// Server runs a worker: it takes tasks from asynq and gives them to the runner.
type Server struct {
	client  redis.UniversalClient
	pipe    *pipe // of all asynq servers
	runner  *durable.Runner
	o       ServerOptions
	log     *slog.Logger
	servers []member
	ready   atomic.Bool
}

// member is one asynq server, what it calls, and through what it asks for tasks.
type member struct {
	server  *asynq.Server
	handler asynq.Handler
	fetcher *fetcher
}

// NewServer returns a worker that has not started yet.
func NewServer(client redis.UniversalClient, runner *durable.Runner, o ServerOptions) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	if o.FinishWithin == 0 {
		o.FinishWithin = 20 * time.Second
	}

	if o.ExitWithin == 0 {
		o.ExitWithin = 60 * time.Second
	}

	s := &Server{client: client, pipe: &pipe{UniversalClient: client}, runner: runner, o: o, log: o.Log}

	for _, g := range o.Groups {
		if err := g.check(); err != nil {
			return nil, fmt.Errorf("queue group %s: %w", g.Name, err)
		}

		s.add(g)
	}

	if len(s.servers) == 0 {
		return nil, errors.New("worker has no queue group")
	}

	return s, nil
}

func (g Group) check() error {
	switch {
	case len(g.Queues) == 0 || len(g.Queues) > maxQueues:
		return fmt.Errorf("%d queues, need 1 to %d", len(g.Queues), maxQueues)
	case g.Concurrency < 1:
		return fmt.Errorf("concurrency %d, need at least 1", g.Concurrency)
	}

	for name, weight := range g.Queues {
		if weight < 1 {
			return fmt.Errorf("queue %s has weight %d, need at least 1", name, weight)
		}
	}

	return nil
}

// add makes the asynq servers of a group. They share the group's slots: after a stall of Redis
// asynq gives slots away while their handlers still run.
func (s *Server) add(g Group) {
	slots := make(chan struct{}, g.Concurrency)

	if !g.Latency || g.Concurrency == 1 {
		s.servers = append(s.servers, s.newMember(g, g.Concurrency, slots))

		return
	}

	s.servers = append(s.servers,
		s.newMember(g, (g.Concurrency+1)/2, slots),
		s.newMember(g, g.Concurrency/2, slots),
	)
}

func (s *Server) newMember(g Group, concurrency int, slots chan struct{}) member {
	f := newFetcher(s.client, s.pipe, g, concurrency, s.log)

	return member{
		server: asynq.NewServerFromRedisClient(f, asynq.Config{
			Concurrency:              concurrency,
			Queues:                   g.Queues,
			TaskCheckInterval:        time.Microsecond, // the fetcher waits instead
			DelayedTaskCheckInterval: time.Second,
			RetryDelayFunc:           retryDelay,
			IsFailure:                isFailure,
			Logger:                   newLogger(s.log),
			LogLevel:                 asynq.WarnLevel,
			// Never reached: asynq would put tasks back while their handlers run.
			ShutdownTimeout: s.o.ExitWithin + time.Minute,
			JanitorInterval: time.Hour, // nothing of ours is retained
		}),
		handler: handler{runner: s.runner, slots: slots, fetcher: f},
		fetcher: f,
	}
}

// Ready reports whether the worker takes jobs: it has found Redis and is not stopping.
func (s *Server) Ready() bool { return s.ready.Load() }

// Run works jobs until ctx ends, and then shuts down: it stops fetching, lets jobs finish, ends
// the contexts of those that do not, has their jobs handed to other workers and waits for every
// handler. It returns nil then, [ErrHandlersLeft] when a handler outstays even that, and
// [ErrEngineLeft] when only asynq does. While
// Redis is away at the start it waits, not ready; an unfit Redis is an error ([ErrUnfit]).
//
// The queue that the runner was made of must keep running until Run has returned.
func (s *Server) Run(ctx context.Context) error {
	if err := s.awaitRedis(ctx); err != nil || ctx.Err() != nil {
		return err
	}

	// Leases outlive ctx, until the last handler has returned.
	beats, stop := context.WithCancel(context.WithoutCancel(ctx))

	var beating sync.WaitGroup

	beating.Go(func() { _ = s.runner.Run(beats) })

	defer beating.Wait()
	defer stop()

	beating.Go(func() { wakeUp(beats, s.client, s.servers) })

	for i, m := range s.servers {
		if err := m.server.Start(m.handler); err != nil {
			s.quit(ctx, s.servers[:i])
			shutdown(s.servers[:i])

			return fmt.Errorf("start asynq: %w", err)
		}
	}

	s.ready.Store(true)
	s.log.InfoContext(ctx, "worker started", slog.Int("servers", len(s.servers)))

	<-ctx.Done()
	s.ready.Store(false)

	return s.stop(context.WithoutCancel(ctx))
}

func (s *Server) stop(ctx context.Context) error {
	soft, cancelSoft := context.WithTimeout(ctx, s.o.FinishWithin)
	defer cancelSoft()

	hard, cancelHard := context.WithTimeout(ctx, s.o.ExitWithin)
	defer cancelHard()

	s.log.InfoContext(ctx, "worker stops fetching", slog.Int("in_hand", s.runner.InHand()))

	stopped := make(chan struct{})

	go func() {
		defer close(stopped)

		s.quit(ctx, s.servers)
	}()

	// With Redis hanging, asynq stops late; the jobs in hand do not wait for that.
	select {
	case <-stopped:
	case <-soft.Done():
	}

	_ = s.runner.Idle(soft)
	s.runner.Interrupt() // also refuses what asynq took in its last moment

	ended := make(chan struct{})

	go func() { // ends when the last handler does, which may be after the hard deadline
		defer close(ended)

		<-stopped
		shutdown(s.servers)
	}()

	if s.runner.Idle(hard) != nil {
		s.log.ErrorContext(ctx, "handlers ignore the shutdown", slog.Int("in_hand", s.runner.InHand()))

		return ErrHandlersLeft
	}

	select {
	case <-ended:
		s.log.InfoContext(ctx, "worker stopped")
	case <-hard.Done():
		s.log.WarnContext(ctx, "asynq did not stop in time") // no job is in hand; the process may go

		return ErrEngineLeft
	}

	return nil
}

// quit has the servers take no further task, and gives back what they have not begun.
func (s *Server) quit(ctx context.Context, servers []member) {
	parallel(servers, func(m member) {
		close(m.fetcher.quit)
		m.server.Stop()

		// Else the reconciler finds the tasks.
		if err := m.fetcher.giveBack(ctx); err != nil {
			s.log.WarnContext(ctx, "tasks were not given back", slog.Any("error", err))
		}
	})
}

func shutdown(servers []member) { parallel(servers, func(m member) { m.server.Shutdown() }) }

func parallel(servers []member, do func(member)) {
	var wg sync.WaitGroup

	for _, m := range servers {
		wg.Go(func() { do(m) })
	}

	wg.Wait()
}

func (s *Server) awaitRedis(ctx context.Context) error {
	for {
		one, cancel := context.WithTimeout(ctx, checkWithin)
		err := Check(one, s.client)

		cancel()

		if err == nil || errors.Is(err, ErrUnfit) {
			return err
		}

		if ctx.Err() != nil {
			return nil //nolint:nilerr // being stopped while waiting is no error
		}

		s.log.WarnContext(ctx, "redis is not there yet", slog.Any("error", err))

		t := time.NewTimer(askRedis)
		select {
		case <-ctx.Done():
		case <-t.C:
		}

		t.Stop()
	}
}

// handler gives asynq's tasks to the runner. There is no mux: asynq's matches kinds by prefix,
// and the runner's registry matches exactly.
type handler struct {
	runner  *durable.Runner
	slots   chan struct{}
	fetcher *fetcher
}

// ProcessTask implements asynq.Handler.
func (h handler) ProcessTask(ctx context.Context, task *asynq.Task) error {
	defer h.fetcher.returned()

	name, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)

	id, epoch, err := durable.ParseName(name)
	if err != nil {
		return fmt.Errorf("not_ours: %w", asynq.SkipRetry)
	}

	h.slots <- struct{}{}
	defer func() { <-h.slots }()

	v := h.runner.Work(ctx, durable.Task{ID: id, Epoch: epoch, Queue: queue, Kind: task.Type()})

	switch v.Do {
	case durable.Again:
		return &again{v}
	case durable.Bury:
		return fmt.Errorf("%s: %w", v.Code, asynq.SkipRetry)
	case durable.Ack:
	}

	return nil
}

// again tells asynq when to bring a task back. Its text is a code, which the dashboard shows.
type again struct{ durable.Verdict }

func (a *again) Error() string { return a.Code }

func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if a, ok := errors.AsType[*again](err); ok {
		return time.Duration(math.Ceil(a.After.Seconds())) * time.Second // asynq keeps whole seconds
	}

	return time.Second // asynq's own reasons: it will prove a duplicate
}

func isFailure(err error) bool {
	a, ok := errors.AsType[*again](err)

	return ok && a.Spent
}
