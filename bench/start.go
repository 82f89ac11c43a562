package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/riverqueue/river"

	"imagerun/queue"
)

func startBench() bench {
	return bench{
		name:    "start",
		aim:     "commit → handler running on an idle fleet: p50 ≤ tuned River's, p95 ≤ 0.3 × River's, p99 < 20 ms; with 1 ms of network p50 ≤ 1.7 × tuned River's",
		jobs:    200,
		delayed: true,
		round:   startRound,
		judge: func(m, far map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"p50: ours ÷ river":             m[ours]["p50_ms"] / m["river"]["p50_ms"],
				"p95: ours ÷ river":             m[ours]["p95_ms"] / m["river"]["p95_ms"],
				"p50: ours ÷ river tuned":       m[ours]["p50_ms"] / m["river.tuned"]["p50_ms"],
				"p95: ours ÷ river tuned":       m[ours]["p95_ms"] / m["river.tuned"]["p95_ms"],
				"p50: ours ÷ asynq":             m[ours]["p50_ms"] / m["asynq"]["p50_ms"],
				"p50: ours ÷ asynq at 10 ms ×2": m[ours]["p50_ms"] / m["asynq.10ms"]["p50_ms"],
				"1 ms, p50: ours ÷ river tuned": far[ours]["p50_ms"] / far["river.tuned"]["p50_ms"],
			}

			return r, r["p50: ours ÷ river tuned"] <= 1 && r["1 ms, p50: ours ÷ river tuned"] <= 1.7 && r["p95: ours ÷ river"] <= 0.3 && m[ours]["p99_ms"] < 20
		},
	}
}

// starts notes when each job's call returned to its producer, and when its handler ran.
type starts struct {
	committed, started []atomic.Int64 // nanoseconds since began, plus one
	began              time.Time
	left               atomic.Int64
}

func newStarts(n int) *starts {
	s := &starts{committed: make([]atomic.Int64, n), started: make([]atomic.Int64, n), began: time.Now()}
	s.left.Store(int64(n))

	return s
}

func (s *starts) sinceBegan() int64 { return int64(time.Since(s.began)) + 1 }

func (s *starts) recordStart(n int64) {
	// A job that is run twice started when it first did.
	if s.started[n].CompareAndSwap(0, s.sinceBegan()) {
		s.left.Add(-1)
	}
}

func (s *starts) computeFigures() figures {
	late := make([]float64, len(s.started))
	sum := 0.0

	for i := range late {
		// A handler may run before its producer knows that the commit happened.
		late[i] = max(float64(s.started[i].Load()-s.committed[i].Load())/1e6, 0)
		sum += late[i]
	}

	slices.Sort(late)

	return figures{
		"p50_ms": percentileOf(late, 0.50), "p95_ms": percentileOf(late, 0.95), "p99_ms": percentileOf(late, 0.99),
		"max_ms": late[len(late)-1], "mean_ms": sum / float64(len(late)),
	}
}

// idle is a system with idle workers.
type idle struct {
	name    string
	starts  *starts
	enqueue func(ctx context.Context, n int64) error
	stop    func() error
}

// startRound has all systems idle at once and gives them one job after the other, in random
// order and with random gaps, so that each sees one every 200 ms, with gaps from 10 to 600 ms,
// and what the machine does meanwhile is every system's trouble.
func startRound(ctx context.Context, s *servers, o options) (_ map[string]figures, err error) {
	var systems []*idle

	defer func() {
		for _, sys := range systems {
			if e := sys.stop(); err == nil {
				err = e
			}
		}
	}()

	tuned := riverBench()
	tuned.workers = o.concurrency

	for _, begin := range []func() (*idle, error){
		func() (*idle, error) { return idleOurs(ctx, s, o) },
		func() (*idle, error) { return idleAsynq(ctx, s, o, "asynq", asynqServer{alone, o.concurrency, 0}) },
		func() (*idle, error) {
			return idleAsynq(ctx, s, o, "asynq.10ms", pairedServers(alone, o.concurrency)...)
		},
		func() (*idle, error) { return idleRiver(ctx, s, o, "river", riverDefault(o.concurrency)) },
		func() (*idle, error) { return idleRiver(ctx, s, o, "river.tuned", tuned) },
	} {
		sys, err := begin()
		if err != nil {
			return nil, err
		}

		systems = append(systems, sys)
	}

	for n := range o.jobs {
		rand.Shuffle(len(systems), func(i, j int) { systems[i], systems[j] = systems[j], systems[i] })

		for _, sys := range systems {
			gap := 10*time.Millisecond + rand.N(60*time.Millisecond)

			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(gap):
			}

			if err := sys.enqueue(ctx, int64(n)); err != nil {
				return nil, fmt.Errorf("%s: %w", sys.name, err)
			}

			sys.starts.committed[n].Store(sys.starts.sinceBegan())
		}
	}

	all := map[string]figures{}

	for _, sys := range systems {
		if err := waitUntil(ctx, 10*time.Millisecond, func() (bool, error) { return sys.starts.left.Load() == 0, nil }); err != nil {
			return nil, fmt.Errorf("%s: %w", sys.name, err)
		}

		all[sys.name] = sys.starts.computeFigures()
	}

	return all, nil
}

func idleOurs(ctx context.Context, s *servers, o options) (*idle, error) {
	sys, err := newOurs(ctx, s, benchKinds(), o.concurrency)
	if err != nil {
		return nil, err
	}

	times := newStarts(o.jobs)

	stop, err := sys.startWorker(ctx, func(_ context.Context, job *queue.Job[noop]) error {
		times.recordStart(job.Args.N)

		return nil
	}, singleQueueGroup(queueName, o.concurrency))
	if err != nil {
		sys.close()

		return nil, err
	}

	return &idle{name: ours, starts: times,
		enqueue: func(ctx context.Context, n int64) error { return sys.stageOne(ctx, noop{N: n}) },
		stop: func() error {
			stop()
			sys.close()

			return nil
		},
	}, nil
}

func idleAsynq(ctx context.Context, s *servers, o options, name string, settings ...asynqServer) (*idle, error) {
	sys, err := newAsynq(s, o.concurrency)
	if err != nil {
		return nil, err
	}

	times := newStarts(o.jobs)

	stop, err := sys.startWorkers(func(_ context.Context, task *asynq.Task) error {
		n, err := strconv.ParseInt(string(task.Payload()), 10, 64)
		if err == nil {
			times.recordStart(n)
		}

		return err
	}, settings...)
	if err != nil {
		sys.close()

		return nil, err
	}

	return &idle{name: name, starts: times,
		enqueue: func(ctx context.Context, n int64) error { return sys.enqueueNumber(ctx, n) },
		stop: func() error {
			stop()
			sys.close()

			return nil
		},
	}, ctx.Err()
}

func idleRiver(ctx context.Context, s *servers, o options, name string, set riverSettings) (*idle, error) {
	sys, err := newRiver(ctx, s)
	if err != nil {
		return nil, err
	}

	times := newStarts(o.jobs)

	_, stop, err := sys.startWorker(ctx, set, o.jobs, func(_ context.Context, job *river.Job[noop]) error {
		times.recordStart(job.Args.N)

		return nil
	})
	if err != nil {
		sys.close()

		return nil, err
	}

	return &idle{name: name, starts: times,
		enqueue: func(ctx context.Context, n int64) error {
			_, err := sys.insert.Insert(ctx, noop{N: n}, nil)

			return err
		},
		stop: func() error {
			defer sys.close()

			return stop()
		},
	}, nil
}
