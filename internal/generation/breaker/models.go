package breaker

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

// Models keep generations from models that fail in a row. Their state is rows: the worker
// that hands a request over is rarely the one that learns how it ended, so a breaker in the
// memory of a process would see half of nothing. An open model is tried once each pause; the
// first success closes it.
type Models struct {
	db    *db.Queries
	pool  db.DBTX
	now   clock.Now
	log   *slog.Logger
	known func(model string) bool // whether it is in the catalogue
	gauge *openGauge

	mu   sync.Mutex
	seen map[string]db.ModelBreaker // guarded by mu; never changed once it is here
	read time.Time                  // guarded by mu
}

// NewModels returns the breakers of those models that are known: nothing can close what is no longer in the catalogue.
func NewModels(pool db.DBTX, log *slog.Logger, now clock.Now, known func(model string) bool) *Models {
	return &Models{db: db.New(), pool: pool, now: now, log: log, known: known, gauge: newOpenGauge()}
}

// Opened returns which models are open, as of a moment ago. It reads by q: who asks within a
// transaction holds a connection, and must not wait for another one, which may never come free
// when all workers ask at once. For the same reason no caller waits for the look of another.
func (b *Models) Opened(ctx context.Context, q db.DBTX) (map[string]db.ModelBreaker, error) {
	if open := b.lastSeen(); open != nil {
		return open, nil
	}

	now := b.now()

	rows, err := b.db.BreakerList(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list breakers: %w", err)
	}

	open := make(map[string]db.ModelBreaker, len(rows))
	for _, row := range rows {
		if b.known(row.Model) { // nothing can close what is no longer in the catalogue
			open[row.Model] = row
		}
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	b.seen, b.read = open, now
	b.gauge.Reset()

	for model := range open {
		b.gauge.WithLabelValues(model).Set(1)
	}

	return open, nil
}

// lastSeen is what was read a moment ago; nil: nothing was.
func (b *Models) lastSeen() map[string]db.ModelBreaker {
	b.mu.Lock()
	defer b.mu.Unlock()

	if age := b.now().Sub(b.read); age < 0 || age >= breakerStale {
		return nil
	}

	return b.seen
}

// Wait returns how long the model must be left alone. Zero: use it now, if need be as the probe.
func (b *Models) Wait(ctx context.Context, tx db.DBTX, model string) (time.Duration, error) {
	open, err := b.Opened(ctx, tx)
	if err != nil {
		return 0, err
	}

	row, ok := open[model]
	if !ok {
		return 0, nil
	}

	if left := b.UntilProbe(row); left > 0 {
		return left, nil
	}

	now := b.now()

	n, err := b.db.BreakerProbe(ctx, tx, db.BreakerProbeParams{Model: model, At: now, Before: now.Add(-breakerPause)})
	if err != nil {
		return 0, fmt.Errorf("probe model %s: %w", model, err)
	}

	b.forgetSeen() // what was seen is no longer so

	if n == 0 { // another worker is the probe, or it has closed: a look later tells
		return breakerStale, nil
	}

	return 0, nil
}

// Shut lists the models that no worker may try now: those that are open, between two probes.
func (b *Models) Shut(ctx context.Context, q db.DBTX) ([]string, error) {
	open, err := b.Opened(ctx, q)
	if err != nil {
		return nil, err
	}

	shut := []string{}

	for model, row := range open {
		if b.UntilProbe(row) > 0 {
			shut = append(shut, model)
		}
	}

	return shut, nil
}

// UntilProbe is the time to the next probe of an open model.
func (b *Models) UntilProbe(row db.ModelBreaker) time.Duration {
	last := row.OpenedAt
	if row.ProbedAt != nil {
		last = row.ProbedAt
	}

	return last.Add(breakerPause).Sub(b.now())
}

// RecordFailure counts a failure of the model itself: never what it refuses, nor our account's.
func (b *Models) RecordFailure(ctx context.Context, model string) {
	row, err := b.db.BreakerFail(ctx, b.pool, db.BreakerFailParams{Model: model, Limit: breakerLimit, At: b.now()})

	switch {
	case err != nil:
		b.log.Warn("model failure not counted", slog.String("model", model), slog.Any("error", err))
	case row.Failures == breakerLimit:
		b.log.Error("model breaker opened: its generations wait, or go to a model that their users allow", slog.String("model", model))
		b.forgetSeen()
	}
}

// RecordSuccess forgets the model's failures.
func (b *Models) RecordSuccess(ctx context.Context, model string) {
	n, err := b.db.BreakerClose(ctx, b.pool, model)
	if err != nil {
		b.log.Warn("model success not counted", slog.String("model", model), slog.Any("error", err))
	} else if n > 0 {
		b.forgetSeen()
	}
}

// forgetSeen has the next caller look anew.
func (b *Models) forgetSeen() {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.seen = nil
}

// Degraded returns the models that are failing and since when: their generations wait, or go to
// a model that their users allow.
func (b *Models) Degraded(ctx context.Context) (map[string]time.Time, error) {
	open, err := b.Opened(ctx, b.pool)
	if err != nil {
		return nil, err
	}

	since := make(map[string]time.Time, len(open))
	for model, row := range open {
		since[model] = *row.OpenedAt
	}

	return since, nil
}
