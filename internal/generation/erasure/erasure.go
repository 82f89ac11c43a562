// Package erasure deletes a generation, from the owner's wish to the last row: it hides it, has it erased at the provider,
// in the bucket and here, and begins anew what a job that died still owes.
//
// # Invariants
//
//   - What is deleted is hidden at once. It is erased once it has ended: rows last, so that whatever is left can still be found.
//   - Of an erased generation's attempt whose request may become known yet, a tombstone is kept, until the provider can
//     have nothing of it.
//   - What one that has ended is still owed begins anew when no job sees to it: a day after one that died, which may have
//     taken its workers down.
package erasure

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/generation/attempt"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/internal/retention"
	"imagerun/internal/storage"
	"imagerun/internal/user"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Deps are what an [Erasure] works with. All are required, except where said.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Tasks    *task.Tasks
	Attempts *attempt.Attempts
	Provider providers.Provider // nil in a process that runs no jobs
	Bucket   storage.Bucket
	Users    *user.Directory
	Notifier generation.Notifier
	Log      *slog.Logger
	Now      clock.Now
	Options  generation.Options
}

// Erasure deletes generations. Safe for concurrent use.
type Erasure struct {
	Deps

	db *db.Queries
}

// New returns an erasure. It dials nothing.
func New(d Deps) *Erasure { return &Erasure{Deps: d, db: db.New()} }

// Register makes the erasure the handler of its jobs.
func (s *Erasure) Register(r *queue.Registry) {
	queue.Register(r, attemptEraser{s})
	queue.Register(r, eraser{s})
	queue.Register(r, purger{s})
	queue.Register(r, retention.Former[jobs.PurgeTombstones](s.tombstoneClasses()...))
}
