// Package admission decides when a generation has its turn at its provider, and when its time is up.
//
// # Invariants
//
//   - A slot is counted from rows, so a crash leaks none.
//   - Turns are by weight, and no user waits for ever: package fairqueue says by which others, and how often, one who waits may be
//     passed. How far each user has got is a row (admission_turn), so that it is the same whether one slot becomes free
//     at a time or a hundred. A task that was given back because its model fails keeps its place among its user's, and the
//     turn is spent.
//   - What is in the background gets its user's turns when nothing else of theirs waits for one. It changes no other user's turns,
//     and waits for as long as its user has others waiting, until its deadline at most.
//   - A place in the queue is the order in which admission goes, or not said.
//   - A generation past its deadline ends, whatever has become of its jobs.
package admission

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/cache"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission/estimate"
	"imagerun/internal/generation/breaker"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/plan"
)

// Deps are what an [Admission] works with. All are required.
type Deps struct {
	Pool      *pgxpool.Pool
	Tasks     *task.Tasks
	Models    *breaker.Models
	Catalogue *catalogue.Catalogue
	Plans     *plan.Plans
	Credits   *credits.Ledger
	Log       *slog.Logger
	Now       clock.Now
	Options   generation.Options
}

// Admission gives turns, says where generations wait, and ends those whose time is up. Safe for concurrent use.
type Admission struct {
	Deps

	db      *db.Queries
	took    *estimate.Estimator
	waiting map[string]*cache.Value[waiters] // by provider
}

// New returns an admission. It dials nothing and starts nothing.
func New(d Deps) *Admission {
	s := &Admission{Deps: d, db: db.New(), took: estimate.New(d.Pool, d.Catalogue.IDs(), d.Now)}
	s.waiting = s.newReadings()

	return s
}

// RunAdmission admits whenever it is wanted, and each tick (zero: never) even if not, until ctx
// ends. Every process that accepts or finishes generations runs it; schedulers with a tick.
func (s *Admission) RunAdmission(ctx context.Context, tick time.Duration) {
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
		case <-s.Tasks.AdmissionWishes():
		case <-ticks:
		}

		for _, provider := range s.Catalogue.Providers() {
			if _, err := s.Admit(ctx, provider); err != nil && ctx.Err() == nil {
				s.Log.Error("admission round failed", slog.String("provider", provider), slog.Any("error", err))
			}
		}
	}
}

// Admit gives free slots to waiting generations and returns how many got one. Rounds of all
// processes take turns under an advisory lock.
func (s *Admission) Admit(ctx context.Context, provider string) (admitted int, err error) {
	for {
		n, err := s.admitRound(ctx, provider)

		admitted += n
		if err != nil || n < maxAdmitted {
			return admitted, err
		}
	}
}
