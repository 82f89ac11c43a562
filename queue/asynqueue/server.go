package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

const (
	maxQueues       = 6           // of a group: each look asks one after the other
	redisRetryEvery = time.Second // between looks at a Redis that does not answer
	checkTimeout    = 5 * time.Second
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

// Server runs a worker: it takes tasks from Redis, has the runner work them, and has Redis follow.
type Server struct {
	client  redis.UniversalClient
	runner  *durable.Runner
	o       ServerOptions
	log     *slog.Logger
	members []member
	ready   atomic.Bool
}

// member is what a group consists of: a hand that takes its tasks, and an asynq server that has those that last
// or come back, and everything that asynq does on a clock.
type member struct {
	hand    *hand
	asynq   *asynq.Server
	adopter *adopter
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

	s := &Server{client: client, runner: runner, o: o, log: o.Log}

	for _, g := range o.Groups {
		if err := g.checkGroup(); err != nil {
			return nil, fmt.Errorf("queue group %s: %w", g.Name, err)
		}

		s.members = append(s.members, s.newMember(g))
	}

	if len(s.members) == 0 {
		return nil, errors.New("worker has no queue group")
	}

	return s, nil
}

func (g Group) checkGroup() error {
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

func (s *Server) newMember(g Group) member {
	h := newHand(s.client, s.runner, g, s.log)
	a := &adopter{UniversalClient: s.client, tasks: h.tasks, quit: make(chan struct{})}

	return member{hand: h, adopter: a, asynq: asynq.NewServerFromRedisClient(a, asynq.Config{
		Concurrency:              2 * g.Concurrency, // those that last, and those on their way to where they wait
		Queues:                   g.Queues,
		TaskCheckInterval:        time.Millisecond, // it waits in the adopter instead
		DelayedTaskCheckInterval: time.Second,
		RetryDelayFunc:           retryDelay,
		IsFailure:                isFailure,
		Logger:                   newLogger(s.log),
		LogLevel:                 asynq.WarnLevel,
		// Never reached: asynq would put tasks back while their handlers run.
		ShutdownTimeout: s.o.ExitWithin + time.Minute,
		JanitorInterval: time.Hour, // nothing of ours is retained
	})}
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

	for i, m := range s.members {
		if err := m.asynq.Start(m.adopter); err != nil {
			stopTaking(ctx, s.members[:i])
			shutDownAsynq(ctx, s.members[:i])

			return fmt.Errorf("start asynq: %w", err)
		}

		m.hand.start(ctx)
		beating.Go(func() { m.hand.tasks.runPromotions(beats) })
	}

	s.ready.Store(true)
	s.log.InfoContext(ctx, "worker started", slog.Int("groups", len(s.members)))

	<-ctx.Done()
	s.ready.Store(false)

	return s.stop(context.WithoutCancel(ctx))
}

func (s *Server) stop(ctx context.Context) error {
	soft, cancelSoft := context.WithTimeout(ctx, s.o.FinishWithin)
	defer cancelSoft()

	hard, cancelHard := context.WithTimeout(ctx, s.o.ExitWithin)
	defer cancelHard()

	s.log.InfoContext(ctx, "worker stops fetching", slog.Int("in_flight", s.runner.InFlight()))

	stopTaking(soft, s.members) // with Redis hanging it ends late; the jobs in hand do not wait for that

	_ = s.runner.Idle(soft)
	s.runner.Interrupt() // also refuses what was taken in the last moment

	ended := make(chan struct{})

	go func() { // ends when the last handler does, which may be after the hard deadline
		defer close(ended)

		_ = s.runner.Idle(ctx)
		shutDownAsynq(hard, s.members)
	}()

	if s.runner.Idle(hard) != nil {
		s.log.ErrorContext(ctx, "handlers ignore the shutdown", slog.Int("in_flight", s.runner.InFlight()))

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

// stopTaking has no task taken any more.
func stopTaking(ctx context.Context, members []member) {
	forEachMember(members, func(m member) { m.hand.stop(ctx) })
}

// shutDownAsynq ends asynq's part, once Redis was told of everything, as far as it answers before ctx ends.
func shutDownAsynq(ctx context.Context, members []member) {
	forEachMember(members, func(m member) {
		m.hand.tasks.awaitTold(ctx)
		close(m.adopter.quit)
		m.asynq.Shutdown()
	})
}

func forEachMember(members []member, do func(member)) {
	var wg sync.WaitGroup

	for _, m := range members {
		wg.Go(func() { do(m) })
	}

	wg.Wait()
}

func (s *Server) awaitRedis(ctx context.Context) error {
	for {
		one, cancel := context.WithTimeout(ctx, checkTimeout)
		err := Check(one, s.client)

		cancel()

		if err == nil || errors.Is(err, ErrUnfit) {
			return err
		}

		if ctx.Err() != nil {
			return nil //nolint:nilerr // being stopped while waiting is no error
		}

		s.log.WarnContext(ctx, "redis is not reachable yet", slog.Any("error", err))

		t := time.NewTimer(redisRetryEvery)
		select {
		case <-ctx.Done():
		case <-t.C:
		}

		t.Stop()
	}
}
