package generation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// dueMost is how many are ended in one look at the deadlines.
const dueMost = 500

// WantAdmission asks for a round of admission soon. It never blocks, and any number of wishes
// before the next round are one.
func (s *Service) WantAdmission() {
	select {
	case s.admit <- struct{}{}:
	default:
	}
}

// RunAdmission admits whenever it is wanted, and each tick (zero: never) even if not, until ctx
// ends. Every process that accepts or finishes generations runs it; schedulers with a tick.
func (s *Service) RunAdmission(ctx context.Context, tick time.Duration) {
	var ticks <-chan time.Time

	if tick > 0 {
		t := time.NewTicker(tick)
		defer t.Stop()

		ticks = t.C
	}

	for {
		select {
		case <-ctx.Done():
			return
		case <-s.admit:
		case <-ticks:
		}

		for _, provider := range s.Catalogue.Providers() {
			if _, err := s.Admit(ctx, provider); err != nil && ctx.Err() == nil {
				s.Log.Error("admission did not work", slog.String("provider", provider), slog.Any("error", err))
			}
		}
	}
}

// Admit gives free slots to waiting generations and returns how many got one. Rounds of all
// processes take turns under an advisory lock.
func (s *Service) Admit(ctx context.Context, provider string) (admitted int, err error) {
	for {
		n, err := s.admitRound(ctx, provider)

		admitted += n
		if err != nil || n < admitMost {
			return admitted, err
		}
	}
}

// RunDeadlines ends what is past its deadline, about each interval, until ctx ends, and keeps the
// metric of failing models up to date. Schedulers run it; any number may.
func (s *Service) RunDeadlines(ctx context.Context, interval time.Duration) {
	clock.Every(ctx, interval, func(ctx context.Context) {
		if _, err := s.ExpireDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("expiry did not work", slog.Any("error", err))
		}

		// Whoever submits nothing does not notice that a model works again; one process shall.
		if _, err := s.models.opened(ctx, s.Pool); err != nil && ctx.Err() == nil {
			s.Log.Error("breakers were not read", slog.Any("error", err))
		}
	})
}

// ExpireDue ends every generation past its deadline and returns how many. One that cannot be ended
// keeps nobody else from it; the error then says which.
func (s *Service) ExpireDue(ctx context.Context) (expired int, err error) {
	due, err := s.db.TaskDue(ctx, s.Pool, db.TaskDueParams{Now: s.Now(), Most: dueMost})
	if err != nil {
		return 0, fmt.Errorf("list what is due: %w", err)
	}

	var failed []error

	for _, id := range due {
		err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error { return s.expire(ctx, tx, id) })

		switch {
		case err == nil:
			expired++
		case notFound(err) || over(err): // somebody else was faster
		default:
			failed = append(failed, fmt.Errorf("expire %s: %w", id, err))
		}
	}

	return expired, errors.Join(append(failed, s.reap(ctx))...)
}

// wrap says what was being done when err happened; nil stays nil.
func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
