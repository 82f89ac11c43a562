// Package bills compares what the provider billed with the attempts that it billed them for.
package bills

import (
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// Deps are what [Bills] work with. All are required, except where said.
type Deps struct {
	Pool   *pgxpool.Pool
	Tasks  *task.Tasks
	Biller providers.Biller // nil: what the provider bills is not compared
	Log    *slog.Logger
	Now    clock.Now
}

// Bills are what the provider charges. Safe for concurrent use.
type Bills struct {
	Deps

	db          *db.Queries
	sayNoBiller sync.Once
}

// New returns bills. It dials nothing.
func New(d Deps) *Bills { return &Bills{Deps: d, db: db.New()} }

// Register makes the bills the handler of their job.
func (s *Bills) Register(r *queue.Registry) { queue.Register(r, comparer{s}) }
