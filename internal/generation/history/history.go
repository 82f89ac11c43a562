// Package history shows generations: one, a list, what changed, their images to take away, and what operators see of one.
// No user is answered about the generation of another: the owner is in every query, but for [Inspect]'s.
package history

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation/admission"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/storage"
	"imagerun/internal/user"
)

// Deps are what a [History] works with. All are required.
type Deps struct {
	Pool      *pgxpool.Pool
	Tasks     *task.Tasks
	Admission *admission.Admission
	Bucket    storage.Bucket
	Users     *user.Directory
	Credits   *credits.Ledger
	Now       clock.Now
}

// History shows generations. Safe for concurrent use.
type History struct {
	Deps

	db *db.Queries
}

// New returns a history. It dials nothing.
func New(d Deps) *History { return &History{Deps: d, db: db.New()} }
