package app

import (
	"errors"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/history"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/plan"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/upload"
	"imagerun/internal/user"
	"imagerun/queue/durable"
)

// NewGenerations returns as much of the domain as an operator's command needs, with the models and plans that the processes
// have. It has the database alone: jobs are woken there, and a scheduler pushes them.
func NewGenerations(cfg config.Config, pool *pgxpool.Pool) (*phases.Service, error) {
	models, modelsErr := loadFile(cfg.Generation.CataloguePath, catalogue.Load)
	plans, plansErr := loadFile(cfg.Generation.PlansPath, plan.Load)

	if err := errors.Join(modelsErr, plansErr); err != nil {
		return nil, err
	}

	return phases.New(phases.Deps{
		Pool: pool, Queue: durable.New(pool, jobs.Kinds(), durable.Options{}), Catalogue: models, Plans: plans,
		Users: user.New(pool, plans, clock.System), Credits: newLedger(cfg.Credits, clock.System),
		Notifier: noNotifier{}, Log: slog.New(slog.DiscardHandler), Now: clock.System,
	}), nil
}

// noNotifier is for a process without Redis: what watches a generation looks at it every few seconds all the same.
type noNotifier struct{}

// Notify implements generation.Notifier.
func (noNotifier) Notify(string, uuid.UUID, int64) {}

// NewSweeper returns what compares the bucket with every table that owns objects. A table that
// comes to own some is a line here: until it is, its objects are foreign, and left alone.
func NewSweeper(pool *pgxpool.Pool, bucket sweep.Bucket, now clock.Now) *sweep.Sweeper {
	return sweep.New(bucket, now, history.NewObjects(pool, now), upload.NewObjects(pool, now))
}
