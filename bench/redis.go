package main

import (
	"context"
	"maps"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/internal/jobs"
	"imagerun/queue/asynqueue"
)

func redisBench() bench {
	return bench{
		name:  "redis",
		aim:   "bytes of Redis per waiting job ≤ 1.1 × bare asynq; commands/s of an idle worker ≤ 1.1 × bare asynq and ≤ 700",
		jobs:  10_000,
		round: redisRound,
		judge: func(m, _ map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"bytes per waiting job: ours ÷ asynq": m[ours]["bytes_per_job"] / m["asynq"]["bytes_per_job"],
				"bytes, compact: ours ÷ asynq":        m[ours]["bytes_per_job_compact"] / m["asynq"]["bytes_per_job_compact"],
				"idle commands/s: ours ÷ asynq":       m[ours]["idle_commands_per_s"] / m["asynq"]["idle_commands_per_s"],
			}

			met := r["bytes per waiting job: ours ÷ asynq"] <= 1.1 && r["idle commands/s: ours ÷ asynq"] <= 1.1

			return r, met && m[ours]["idle_commands_per_s"] <= 700
		},
	}
}

// redisRound measures waiting jobs, and then idle workers with the product's own queues.
func redisRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	watch := 8 * time.Second
	if o.quick {
		watch = time.Second
	}

	return runInTurns(ctx, map[string]func(context.Context) (figures, error){
		ours:             func(ctx context.Context) (figures, error) { return measureOurs(ctx, s, o, watch) },
		"ours.scheduler": func(ctx context.Context) (figures, error) { return measureScheduler(ctx, s, o, watch) },
		"asynq":          func(ctx context.Context) (figures, error) { return measureAsynq(ctx, s, o, watch) },
		"asynq.shipped":  func(ctx context.Context) (figures, error) { return measureShipped(ctx, s, o, watch) },
		"river":          func(ctx context.Context) (figures, error) { return measureRiver(ctx, s, o, watch) },
	})
}

// measureMemory adds to f the bytes that Redis holds more of for each job after fn: as Redis is shipped,
// and with room for a whole task in Redis's compact form of small hashes. A task is a hash of
// which one value is a message of some 70 to 80 bytes, and the limit as shipped is 64.
func (s *servers) measureMemory(ctx context.Context, f figures, jobs int, fn func() error) error {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer client.Close()

	for figure, limit := range map[string]string{"bytes_per_job": "64", "bytes_per_job_compact": "128"} {
		if err := client.ConfigSet(ctx, "hash-max-listpack-value", limit).Err(); err != nil {
			return err
		}

		if err := s.redis.Flush(ctx); err != nil {
			return err
		}

		before, err := s.readMemory(ctx)
		if err != nil {
			return err
		}

		if err := fn(); err != nil {
			return err
		}

		after, err := s.readMemory(ctx)
		if err != nil {
			return err
		}

		f[figure] = (after - before) / float64(jobs)
	}

	return client.ConfigSet(ctx, "hash-max-listpack-value", "64").Err()
}

// idleRates returns commands and statements a second while nothing happens for d. The first
// second is not counted: starting is not idling.
func (s *servers) idleRates(ctx context.Context, stmts *statements, d time.Duration) (figures, error) {
	if err := pauseFor(ctx, time.Second); err != nil {
		return nil, err
	}

	var sent int64
	if stmts != nil {
		sent = stmts.n.Load()
	}

	before, err := s.countCommands(ctx)
	if err != nil {
		return nil, err
	}

	began := time.Now()

	if err := pauseFor(ctx, d); err != nil {
		return nil, err
	}

	took := time.Since(began).Seconds()

	after, err := s.countCommands(ctx)
	if err != nil {
		return nil, err
	}

	f := figures{"idle_commands_per_s": (after - before) / took}
	if stmts != nil {
		f["idle_statements_per_s"] = float64(stmts.n.Load()-sent) / took
	}

	return f, nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// productGroups are the groups of the product's worker.
func productGroups(concurrency int) (groups []asynqueue.Group) {
	for _, g := range jobs.Groups() {
		groups = append(groups, asynqueue.Group{Name: g.Name, Queues: g.Queues, Concurrency: concurrency})
	}

	return groups
}

func measureOurs(ctx context.Context, s *servers, o options, watch time.Duration) (figures, error) {
	memory := figures{}

	sys, err := newOurs(ctx, s, jobs.Kinds(), o.concurrency)
	if err != nil {
		return nil, err
	}

	sys.scheduler.stop() // it is measured by itself

	err = s.measureMemory(ctx, memory, o.jobs, func() error {
		if err := produceJobs(o.jobs, func(int) error { return sys.stageOne(ctx, jobs.SubmitGeneration{}) }); err != nil {
			return err
		}

		return sys.waitPending(ctx, o.jobs)
	})
	sys.close()

	if err != nil {
		return nil, err
	}

	if sys, err = newOurs(ctx, s, jobs.Kinds(), o.concurrency); err != nil {
		return nil, err
	}
	defer sys.close()

	sys.scheduler.stop()

	stop, err := sys.startWorker(ctx, nil, productGroups(o.concurrency)...)
	if err != nil {
		return nil, err
	}
	defer stop()

	f, err := s.idleRates(ctx, sys.stmts, watch)
	if err == nil {
		maps.Copy(f, memory)
	}

	return f, err
}

func measureScheduler(ctx context.Context, s *servers, o options, watch time.Duration) (figures, error) {
	sys, err := newOurs(ctx, s, jobs.Kinds(), o.concurrency)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	return s.idleRates(ctx, sys.stmts, watch)
}

func measureAsynq(ctx context.Context, s *servers, o options, watch time.Duration) (figures, error) {
	sys, err := newAsynq(s, o.concurrency)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	memory := figures{}

	// A task of ours has no payload either.
	err = s.measureMemory(ctx, memory, o.jobs, func() error {
		return produceJobs(o.jobs, func(int) error {
			return sys.enqueueTask(ctx, jobs.SubmitGeneration{}.Kind(), "generation", nil)
		})
	})
	if err != nil {
		return nil, err
	}

	if err := s.redis.Flush(ctx); err != nil {
		return nil, err
	}

	var same []asynqServer

	for _, g := range productGroups(o.concurrency) {
		if g.Name == "generation" {
			same = append(same, pairedServers(g.Queues, g.Concurrency)...)
		} else {
			same = append(same, asynqServer{g.Queues, g.Concurrency, slowPoll})
		}
	}

	stop, err := sys.startWorkers(ignoreTask, same...)
	if err != nil {
		return nil, err
	}
	defer stop()

	f, err := s.idleRates(ctx, nil, watch)
	if err == nil {
		maps.Copy(f, memory)
	}

	return f, err
}

func ignoreTask(context.Context, *asynq.Task) error { return nil }

// measureShipped is one asynq server as it comes, for comparison.
func measureShipped(ctx context.Context, s *servers, o options, watch time.Duration) (figures, error) {
	sys, err := newAsynq(s, o.concurrency)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	stop, err := sys.startWorkers(ignoreTask, asynqServer{alone, o.concurrency, 0})
	if err != nil {
		return nil, err
	}
	defer stop()

	return s.idleRates(ctx, nil, watch)
}

func measureRiver(ctx context.Context, s *servers, o options, watch time.Duration) (figures, error) {
	sys, err := newRiver(ctx, s)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	_, stop, err := sys.startWorker(ctx, riverDefault(o.concurrency), 1, nil)
	if err != nil {
		return nil, err
	}

	f, err := s.idleRates(ctx, sys.stmts, watch)
	if e := stop(); err == nil {
		err = e
	}

	return f, err
}
