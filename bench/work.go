package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"imagerun/internal/postgres"
	"imagerun/queue"
)

const bulk = 10_000 // jobs of one transaction

func workBench() bench {
	return bench{
		name:    "work",
		aim:     "jobs/s ≥ 1.3 × bare asynq and ≥ 1.1 × River; completed in the handler's transaction ≥ 3.5 × River's JobCompleteTx; with 1 ms of network ≥ 0.8 × River",
		jobs:    10_000,
		delayed: true,
		round:   workRound,
		judge: func(m, far map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"ours ÷ bare asynq":             m[ours]["jobs_per_s"] / m["asynq"]["jobs_per_s"],
				"ours ÷ river":                  m[ours]["jobs_per_s"] / m["river"]["jobs_per_s"],
				"ours in tx ÷ river in tx":      m["ours.in_tx"]["jobs_per_s"] / m["river.in_tx"]["jobs_per_s"],
				"ours in tx ÷ river's best":     m["ours.in_tx"]["jobs_per_s"] / max(m["river.in_tx"]["jobs_per_s"], m["river.in_tx_100"]["jobs_per_s"]),
				"ours in tx ÷ ours by wrapper":  m["ours.in_tx"]["jobs_per_s"] / m[ours]["jobs_per_s"],
				"river in tx ÷ river by itself": m["river.in_tx"]["jobs_per_s"] / m["river"]["jobs_per_s"],
				"1 ms: ours ÷ river":            far[ours]["jobs_per_s"] / far["river"]["jobs_per_s"],
			}

			met := r["ours ÷ bare asynq"] >= 1.3 && r["ours ÷ river"] >= 1.1 && r["ours in tx ÷ river's best"] >= 3.5

			return r, met && r["1 ms: ours ÷ river"] >= 0.8
		},
	}
}

// workRound has every system drain the same number of waiting jobs, one system after the other
// in random order.
func workRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	few := riverBench()
	few.workers = o.concurrency

	return runInTurns(ctx, map[string]func(context.Context) (figures, error){
		ours:              func(ctx context.Context) (figures, error) { return workOurs(ctx, s, o, false) },
		"ours.in_tx":      func(ctx context.Context) (figures, error) { return workOurs(ctx, s, o, true) },
		"asynq":           func(ctx context.Context) (figures, error) { return workAsynq(ctx, s, o) },
		"river":           func(ctx context.Context) (figures, error) { return workRiver(ctx, s, o, riverBench(), false) },
		"river.in_tx":     func(ctx context.Context) (figures, error) { return workRiver(ctx, s, o, riverBench(), true) },
		"river.in_tx_100": func(ctx context.Context) (figures, error) { return workRiver(ctx, s, o, few, true) },
	})
}

// runInTurns lets each system have its turn, in random order.
func runInTurns(ctx context.Context, systems map[string]func(context.Context) (figures, error)) (map[string]figures, error) {
	var names []string
	for name := range systems {
		names = append(names, name)
	}

	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

	all := map[string]figures{}

	for _, name := range names {
		f, err := systems[name](ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}

		all[name] = f
	}

	return all, nil
}

func perSecond(jobs int, took time.Duration) float64 { return float64(jobs) / took.Seconds() }

func workOurs(ctx context.Context, s *servers, o options, inTx bool) (figures, error) {
	sys, err := newOurs(ctx, s, benchKinds(), o.concurrency)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	if err := sys.stageAll(ctx, o.jobs); err != nil {
		return nil, err
	}

	if err := sys.waitPending(ctx, o.jobs); err != nil {
		return nil, err
	}

	if err := sys.waitMarked(ctx); err != nil {
		return nil, err
	}

	var seen atomic.Int64

	last := make(chan struct{})
	handler := func(ctx context.Context, job *queue.Job[noop]) error {
		defer countSeen(&seen, o.jobs, last)

		if !inTx {
			return nil
		}

		return postgres.InTx(ctx, sys.pool, func(tx *postgres.Tx) error { return job.Complete(ctx, tx) })
	}

	before := sys.stmts.n.Load()
	began := time.Now()

	stop, err := sys.startWorker(ctx, handler, singleQueueGroup(queueName, o.concurrency))
	if err != nil {
		return nil, err
	}
	defer stop()

	if err := waitFor(ctx, last); err != nil {
		return nil, err
	}

	if err := sys.waitDrained(ctx); err != nil {
		return nil, err
	}

	took := time.Since(began)

	return figures{
		"jobs_per_s":         perSecond(o.jobs, took),
		"statements_per_job": float64(sys.stmts.n.Load()-before) / float64(o.jobs),
		"runs_per_job":       float64(seen.Load()) / float64(o.jobs),
	}, nil
}

// countSeen closes last when n jobs were seen.
func countSeen(seen *atomic.Int64, n int, last chan struct{}) {
	if seen.Add(1) == int64(n) {
		close(last)
	}
}

// waitFor waits for c, but not for ever.
func waitFor(ctx context.Context, c <-chan struct{}) error {
	t := time.NewTimer(2 * time.Minute)
	defer t.Stop()

	select {
	case <-c:
		return nil
	case <-t.C:
		return fmt.Errorf("jobs were not worked within two minutes")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func workAsynq(ctx context.Context, s *servers, o options) (figures, error) {
	sys, err := newAsynq(s, o.concurrency)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	if err := produceJobs(o.jobs, func(n int) error { return sys.enqueueNumber(ctx, int64(n)) }); err != nil {
		return nil, err
	}

	var seen atomic.Int64

	last := make(chan struct{})
	began := time.Now()

	stop, err := sys.startWorkers(func(context.Context, *asynq.Task) error {
		countSeen(&seen, o.jobs, last)

		return nil
	}, pairedServers(alone, o.concurrency)...)
	if err != nil {
		return nil, err
	}
	defer stop()

	if err := waitFor(ctx, last); err != nil {
		return nil, err
	}

	if err := sys.waitDrained(ctx); err != nil {
		return nil, err
	}

	return figures{"jobs_per_s": perSecond(o.jobs, time.Since(began)), "runs_per_job": float64(seen.Load()) / float64(o.jobs)}, nil
}

func workRiver(ctx context.Context, s *servers, o options, set riverSettings, inTx bool) (figures, error) {
	sys, err := newRiver(ctx, s)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	if _, err := sys.insert.InsertMany(ctx, sys.insertParams(o.jobs)); err != nil {
		return nil, err
	}

	var seen atomic.Int64

	before := sys.stmts.n.Load()
	began := time.Now()

	events, stop, err := sys.startWorker(ctx, set, o.jobs, func(ctx context.Context, job *river.Job[noop]) error {
		seen.Add(1)

		if !inTx {
			return nil
		}

		return pgx.BeginFunc(ctx, sys.pool, func(tx pgx.Tx) error {
			_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)

			return err
		})
	})
	if err != nil {
		return nil, err
	}

	for range o.jobs {
		select {
		case <-events:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}

	took := time.Since(began)

	return figures{
		"jobs_per_s":         perSecond(o.jobs, took),
		"statements_per_job": float64(sys.stmts.n.Load()-before) / float64(o.jobs),
		"runs_per_job":       float64(seen.Load()) / float64(o.jobs),
	}, stop()
}
