package generation

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
)

const (
	breakerLimit = 5                // failures in a row that open a model's breaker
	breakerPause = 30 * time.Second // between two probes of a model that is open
	breakerStale = time.Second      // how old a process's view of the breakers may be
)

// modelBreakers keep generations from models that fail in a row. Their state is rows: the worker
// that hands a request over is rarely the one that learns how it ended, so a breaker in the
// memory of a process would see half of nothing. An open model is tried once each pause; the
// first success closes it.
type modelBreakers struct {
	db      *db.Queries
	pool    db.DBTX
	now     clock.Now
	log     *slog.Logger
	metrics *Metrics

	mu   sync.Mutex
	open map[string]db.ModelBreaker // guarded by mu
	read time.Time                  // guarded by mu
}

// opened returns which models are open, as of a moment ago.
func (b *modelBreakers) opened(ctx context.Context) (map[string]db.ModelBreaker, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if age := b.now().Sub(b.read); b.open != nil && age >= 0 && age < breakerStale {
		return b.open, nil
	}

	rows, err := b.db.BreakerList(ctx, b.pool)
	if err != nil {
		return nil, fmt.Errorf("list breakers: %w", err)
	}

	b.metrics.breakerOpen.Reset()

	b.open, b.read = make(map[string]db.ModelBreaker, len(rows)), b.now()
	for _, row := range rows {
		b.open[row.Model] = row
		b.metrics.breakerOpen.WithLabelValues(row.Model).Set(1)
	}

	return b.open, nil
}

// wait returns how long the model must be left alone. Zero: use it now, if need be as the probe.
func (b *modelBreakers) wait(ctx context.Context, tx db.DBTX, model string) (time.Duration, error) {
	open, err := b.opened(ctx)
	if err != nil {
		return 0, err
	}

	row, ok := open[model]
	if !ok {
		return 0, nil
	}

	last, now := row.OpenedAt, b.now()
	if row.ProbedAt != nil {
		last = row.ProbedAt
	}

	if left := last.Add(breakerPause).Sub(now); left > 0 {
		return left, nil
	}

	n, err := b.db.BreakerProbe(ctx, tx, db.BreakerProbeParams{Model: model, At: now, Before: now.Add(-breakerPause)})
	if err != nil {
		return 0, fmt.Errorf("probe model %s: %w", model, err)
	}

	if n == 0 { // somebody else is the probe, or it has closed: a look later tells
		return breakerStale, nil
	}

	return 0, nil
}

// failed counts a failure of the model itself: never what it refuses, nor our account's.
func (b *modelBreakers) failed(ctx context.Context, model string) {
	row, err := b.db.BreakerFail(ctx, b.pool, db.BreakerFailParams{Model: model, Limit: breakerLimit, At: b.now()})

	switch {
	case err != nil:
		b.log.Warn("failure of a model was not counted", slog.String("model", model), slog.Any("error", err))
	case row.Failures == breakerLimit:
		b.log.Error("a model fails in a row: its generations wait or go where their users allow", slog.String("model", model))
		b.forget()
	}
}

// worked forgets the model's failures.
func (b *modelBreakers) worked(ctx context.Context, model string) {
	n, err := b.db.BreakerClose(ctx, b.pool, model)
	if err != nil {
		b.log.Warn("success of a model was not counted", slog.String("model", model), slog.Any("error", err))
	} else if n > 0 {
		b.forget()
	}
}

// forget has the next caller look anew.
func (b *modelBreakers) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.open = nil
}

// Degraded returns the models that are failing and since when: their generations wait, or go to
// a model that their users allow.
func (s *Service) Degraded(ctx context.Context) (map[string]time.Time, error) {
	open, err := s.models.opened(ctx)
	if err != nil {
		return nil, err
	}

	since := make(map[string]time.Time, len(open))
	for model, row := range open {
		since[model] = *row.OpenedAt
	}

	return since, nil
}
