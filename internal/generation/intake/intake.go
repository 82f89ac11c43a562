// Package intake accepts generations: one, many, or one more time, and says before what it would cost.
//
// # Invariants
//
//   - A request that repeats another is answered as that was, and makes nothing.
//   - What is accepted is there with all of its rows, and the most that it may cost is held; what is refused leaves nothing.
//   - Nothing outside Postgres is called.
package intake

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/history"
	"imagerun/internal/generation/task"
	"imagerun/internal/plan"
	"imagerun/internal/user"
)

// Deps are what an [Intake] works with. All are required.
type Deps struct {
	Pool       *pgxpool.Pool
	Tasks      *task.Tasks
	Admission  *admission.Admission
	History    *history.History
	References generation.References
	Catalogue  *catalogue.Catalogue
	Plans      *plan.Plans
	Users      *user.Directory
	Credits    *credits.Ledger
	Notifier   generation.Notifier
	Log        *slog.Logger
	Now        clock.Now
	Options    generation.Options
}

// Intake accepts generations. Safe for concurrent use.
type Intake struct {
	Deps

	db      *db.Queries
	metrics *metrics
}

// New returns an intake. It dials nothing.
func New(d Deps) *Intake { return &Intake{Deps: d, db: db.New(), metrics: newMetrics()} }
