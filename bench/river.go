package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverSystem is River in a database of its own.
type riverSystem struct {
	pool  *pgxpool.Pool
	stmts *statements
	// insert only inserts.
	insert *river.Client[pgx.Tx]
}

// riverSettings are what its users can set; zero means River's default.
type riverSettings struct {
	workers        int
	cooldown, poll time.Duration
}

// riverBench are the settings of River's own benchmark program ("river bench").
func riverBench() riverSettings {
	return riverSettings{workers: 2000, cooldown: 2 * time.Millisecond, poll: 20 * time.Millisecond}
}

// riverDefault is River as shipped, with as many workers as ours have.
func riverDefault(workers int) riverSettings { return riverSettings{workers: workers} }

func newRiver(ctx context.Context, s *servers) (*riverSystem, error) {
	_, owner, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	r := &riverSystem{stmts: &statements{}}

	if r.pool, err = openPool(ctx, owner, r.stmts); err != nil {
		return nil, err
	}

	migrator, err := rivermigrate.New(riverpgxv5.New(r.pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}

	if err == nil {
		r.insert, err = river.NewClient(riverpgxv5.New(r.pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	}

	if err != nil {
		r.pool.Close()

		return nil, err
	}

	return r, nil
}

func (r *riverSystem) close() { r.pool.Close() }

// insertParams are n jobs to insert.
func (r *riverSystem) insertParams(n int) []river.InsertManyParams {
	all := make([]river.InsertManyParams, n)
	for i := range all {
		all[i] = river.InsertManyParams{Args: noop{N: int64(i)}}
	}

	return all
}

// riverWorker calls a function for each job.
type riverWorker struct {
	river.WorkerDefaults[noop]

	fn func(ctx context.Context, job *river.Job[noop]) error
}

// Work implements river.Worker.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[noop]) error { return w.fn(ctx, job) }

// startWorker starts a client that works. The events are those of completed jobs, room of them.
func (r *riverSystem) startWorker(ctx context.Context, set riverSettings, room int, fn func(context.Context, *river.Job[noop]) error) (events <-chan *river.Event, stop func() error, err error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{fn: fn})

	client, err := river.NewClient(riverpgxv5.New(r.pool), &river.Config{
		Logger: slog.New(slog.DiscardHandler), Workers: workers,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: set.workers}},
		FetchCooldown: set.cooldown, FetchPollInterval: set.poll,
	})
	if err != nil {
		return nil, nil, err
	}

	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{ChanSize: room, Kinds: []river.EventKind{river.EventKindJobCompleted}})

	if err := client.Start(ctx); err != nil {
		cancel()

		return nil, nil, err
	}

	return events, func() error {
		defer cancel()

		return client.Stop(context.WithoutCancel(ctx))
	}, nil
}
