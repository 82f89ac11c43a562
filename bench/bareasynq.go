package main

import (
	"context"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/asynqueue"
)

// asynqSystem is asynq alone, on a client like ours.
type asynqSystem struct {
	client redis.UniversalClient
	asynq  *asynq.Client
}

func newAsynq(s *servers, concurrency int) (*asynqSystem, error) {
	client, err := asynqueue.Connect(s.newRedisDatabase(), concurrency+32)
	if err != nil {
		return nil, err
	}

	return &asynqSystem{
		client: client, asynq: asynq.NewClientFromRedisClient(client),
	}, nil
}

func (a *asynqSystem) close() { _ = a.client.Close() }

// enqueueNumber pushes a task whose payload is n.
func (a *asynqSystem) enqueueNumber(ctx context.Context, n int64) error {
	return a.enqueueTask(ctx, kind, queueName, strconv.AppendInt(nil, n, 10))
}

func (a *asynqSystem) enqueueTask(ctx context.Context, kind, queue string, payload []byte) error {
	_, err := a.asynq.EnqueueContext(ctx, asynq.NewTask(kind, payload), asynq.Queue(queue))

	return err
}

// asynqServer says how one asynq server is set.
type asynqServer struct {
	queues      map[string]int // with their weights
	concurrency int
	poll        time.Duration // 0: as shipped, 1 s
}

// startWorkers starts servers and returns how to stop them.
func (a *asynqSystem) startWorkers(h asynq.HandlerFunc, settings ...asynqServer) (stop func(), err error) {
	var started []*asynq.Server

	stop = func() {
		for _, s := range started {
			s.Shutdown()
		}
	}

	for _, set := range settings {
		cfg := asynq.Config{
			Concurrency: set.concurrency, Queues: set.queues, TaskCheckInterval: set.poll,
			Logger: quiet{}, LogLevel: asynq.FatalLevel,
		}

		// Like ours, where "the same settings" is the comparison.
		if set.poll != 0 {
			cfg.DelayedTaskCheckInterval, cfg.JanitorInterval = time.Second, time.Hour
		}

		s := asynq.NewServerFromRedisClient(a.client, cfg)
		if err := s.Start(h); err != nil {
			stop()

			return nil, err
		}

		started = append(started, s)
	}

	return stop, nil
}

// pairedServers is as many servers as one of our latency groups has, with its slots and interval.
func pairedServers(queues map[string]int, concurrency int) []asynqServer {
	return []asynqServer{{queues, (concurrency + 1) / 2, quickPoll}, {queues, concurrency / 2, quickPoll}}
}

// waitDrained waits until nothing is pending or active.
func (a *asynqSystem) waitDrained(ctx context.Context) error {
	return waitUntil(ctx, 5*time.Millisecond, func() (bool, error) {
		pending := a.client.LLen(ctx, "asynq:{"+queueName+"}:pending")
		active := a.client.LLen(ctx, "asynq:{"+queueName+"}:active")

		if err := pending.Err(); err != nil {
			return false, err
		}

		return pending.Val()+active.Val() == 0, active.Err()
	})
}

// quiet keeps asynq from writing to the terminal.
type quiet struct{}

func (quiet) Debug(...any) {}
func (quiet) Info(...any)  {}
func (quiet) Warn(...any)  {}
func (quiet) Error(...any) {}
func (quiet) Fatal(...any) {}
