package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/plan"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/falsim"
	"imagerun/internal/user"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

const (
	simKey  = "bench:key-of-the-bench"
	simUser = "user_bench"
	// An image takes as long as it takes to hand all of them over, and then the simulator's clock
	// jumps. Callbacks are signed with that clock, and what is off by five minutes is refused.
	simTakes = 8 * time.Minute
	simSlow  = -4*time.Minute - 30*time.Second
	simJump  = simTakes + 30*time.Second
)

func inflightBench() bench {
	return bench{
		name:     "inflight",
		aim:      "one worker: every generation finishes; RSS < 150 MB; none of its slots held for what runs (on average < 0.1 % of it)",
		jobs:     10_000, // generations at once
		roundsOf: 1,
		round:    inflightRound,
		judge: func(m, _ map[string]figures) (map[string]float64, bool) {
			o, g := m[ours], m["goroutines"]
			r := map[string]float64{
				"peak RSS: ours ÷ goroutines":          o["rss_peak_mb"] / g["rss_peak_mb"],
				"RSS while all run: ours ÷ goroutines": o["rss_running_mb"] / g["rss_running_mb"],
				"ours: finished ÷ accepted":            o["succeeded"] / o["accepted"],
			}

			return r, o["succeeded"] == o["accepted"] && o["running_most"] == o["accepted"] && o["rss_peak_mb"] < 150 && o["slots_held"] < 0.001*o["running_most"]
		},
	}
}

func inflightRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	dir, err := buildPrograms(ctx)
	if err != nil {
		return nil, err
	}

	return runInTurns(ctx, map[string]func(context.Context) (figures, error){
		ours:         func(ctx context.Context) (figures, error) { return inflightOurs(ctx, s, o, dir) },
		"goroutines": func(ctx context.Context) (figures, error) { return inflightGoroutines(ctx, o, dir) },
	})
}

// simulator is fal with a clock that can be moved.
type simulator struct {
	*falsim.Sim

	url    string
	offset atomic.Int64
	server *http.Server
}

func newSimulator(ctx context.Context, requests int) (*simulator, error) {
	s := &simulator{}
	s.offset.Store(int64(simSlow))
	s.Sim = falsim.New(falsim.Options{
		Key: simKey, UserID: simUser, Duration: simTakes, AllowPrivateCallbacks: true, MaxRequests: 4 * requests, MaxLog: 100,
		Now: func() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) },
	})

	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	s.url = "http://" + l.Addr().String()
	s.server = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: time.Minute}

	go func() { _ = s.server.Serve(l) }()

	return s, nil
}

// finishAll has everything end that runs.
func (s *simulator) finishAll() {
	s.offset.Store(int64(simSlow + simJump))
	s.Tick()
}

func (s *simulator) close() {
	s.Close()
	_ = s.server.Close()
}

// inflightOurs runs the product's own programs: api (for the callbacks), scheduler and one worker.
func inflightOurs(ctx context.Context, s *servers, o options, dir string) (figures, error) {
	sim, err := newSimulator(ctx, o.jobs)
	if err != nil {
		return nil, err
	}
	defer sim.close()

	store, err := s.private.S3(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Stop()

	db, _, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	pool, err := openPool(ctx, db, nil)
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	redisURL := s.newRedisDatabase()

	env, err := productEnv(ctx, db, redisURL, sim.url, store, o.jobs)
	if err != nil {
		return nil, err
	}

	began := time.Now()

	if err := acceptMany(ctx, pool, o.jobs); err != nil {
		return nil, err
	}

	f := figures{"accepted": float64(o.jobs), "accept_s": time.Since(began).Seconds()}

	var worker *program

	for _, name := range []string{"api", "scheduler", "worker"} {
		p, err := startProgram(dir, name, env)
		if err != nil {
			return nil, err
		}
		defer p.stop()

		worker = p
	}

	began = time.Now()

	if f["running_most"], err = allRun(ctx, pool, o.jobs); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, worker.readTail())
	}

	f["handed_over_s"] = time.Since(began).Seconds()

	if err := whileAllRun(ctx, f, redisURL, worker, o); err != nil {
		return nil, err
	}

	began = time.Now()

	sim.finishAll()

	if err := untilDone(ctx, pool, o.jobs); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, worker.readTail())
	}

	f["collected_s"] = time.Since(began).Seconds()
	f["rss_peak_mb"], err = worker.readMemory("VmHWM")
	f["succeeded"] = float64(countRows(ctx, pool, `select count(*) from ai_task where status = 'succeeded'`))

	return f, err
}

// acceptMany submits generations of users whose plan lets many run at once.
func acceptMany(ctx context.Context, pool *pgxpool.Pool, n int) error {
	models, err := catalogue.Load(nil)
	if err != nil {
		return err
	}

	plans, err := plan.Load(nil)
	if err != nil {
		return err
	}

	ledger := credits.New(credits.Options{Now: time.Now})
	service := phases.New(phases.Deps{
		Pool: pool, Queue: durable.New(pool, jobs.Kinds(), durable.Options{}), Catalogue: models, Plans: plans, Users: user.New(pool, plans, time.Now), Credits: ledger,
		Notifier: noNotifier{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Options: generation.Options{Slots: n, Deadline: time.Hour, MaxDeadline: time.Hour},
	})

	var group errgroup.Group

	group.SetLimit(8)

	for left := n; left > 0; left -= 500 {
		user := uuid.New()

		if _, err := pool.Exec(ctx, `insert into generation_user (user_id, plan) values ($1, 'studio')`, user); err != nil {
			return err
		}

		if err := grantCredits(ctx, pool, ledger, user); err != nil {
			return err
		}

		group.Go(func() error {
			for range min(left, 500) {
				_, err := service.Submit(ctx, generation.Submission{UserID: user, Request: catalogue.Request{
					Model: "z-image-turbo", Prompt: redact.NewPersonal("a red fox"), Width: new(256), Height: new(256), OutputFormat: new("jpeg"),
				}})
				if err != nil {
					return err
				}
			}

			return nil
		})
	}

	return group.Wait()
}

func countRows(ctx context.Context, pool *pgxpool.Pool, sql string) (n int) {
	_ = pool.QueryRow(ctx, sql).Scan(&n) // zero is a failure, too

	return n
}

// allRun waits until n run, and returns how many that were at most.
func allRun(ctx context.Context, pool *pgxpool.Pool, n int) (maxRunning float64, err error) {
	err = waitWithin(ctx, simTakes, 200*time.Millisecond, func() (bool, error) {
		maxRunning = max(maxRunning, float64(countRows(ctx, pool, `select count(*) from ai_task where status = 'running' and admitted_at is not null and finished_at is null`)))

		return int(maxRunning) >= n, nil
	})

	return maxRunning, err
}

func untilDone(ctx context.Context, pool *pgxpool.Pool, n int) error {
	return waitWithin(ctx, 15*time.Minute, 200*time.Millisecond, func() (bool, error) {
		return countRows(ctx, pool, `select count(*) from ai_task where finished_at is not null`) >= n, nil
	})
}

// whileAllRun looks for some seconds at what it takes that all of them run.
func whileAllRun(ctx context.Context, f figures, redisURL string, worker *program, o options) error {
	client, err := asynqueue.Connect(redisURL, 4)
	if err != nil {
		return err
	}
	defer client.Close()

	pusher := asynqueue.NewPusher(client)
	looks := 200

	if o.quick {
		looks = 20
	}

	held, n := 0.0, 0

	return waitWithin(ctx, time.Minute, 100*time.Millisecond, func() (bool, error) {
		counts, err := pusher.Counts(ctx, jobs.Kinds().Queues())
		if err != nil {
			return false, err
		}

		for _, c := range counts {
			if c.State == "active" {
				held += float64(c.N)
			}
		}

		n++
		f["slots_held"] = held / float64(n)

		if f["rss_running_mb"], err = worker.readMemory("VmRSS"); err != nil {
			return false, err
		}

		return n >= looks, nil
	})
}
