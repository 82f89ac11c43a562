// Package task is the row of a generation: it locks it, changes it, ends it, and does with each change what goes
// with it: its event, its jobs, its credits. Every other phase of a generation changes it through here.
//
// # Invariants
//
//   - One function changes a status: [Tasks.Change]. It holds the task's row lock, compares the sequence, and never leaves
//     a terminal status. The status, its event and the jobs it causes are one transaction.
//   - Locks are taken in one order: the task's row before any other, then its attempts', its jobs' and its user's, and
//     last of all the user's balance.
//   - Whatever is terminal holds no credits, and has no image to come.
package task

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/queue/durable"
)

// Deps are what [Tasks] work with. All are required.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Credits  *credits.Ledger
	Notifier generation.Notifier
	Log      *slog.Logger
	Now      clock.Now
}

// Tasks are the rows of generations. Safe for concurrent use.
type Tasks struct {
	Deps

	db      *db.Queries
	wishes  chan struct{} // one waiting wish to admit is enough
	metrics *metrics
}

// New returns tasks. It dials nothing.
func New(d Deps) *Tasks {
	return &Tasks{Deps: d, db: db.New(), wishes: make(chan struct{}, 1), metrics: newMetrics()}
}

// WantAdmission asks for a round of admission soon. It never blocks, and any number of wishes
// before the next round are one.
func (s *Tasks) WantAdmission() {
	select {
	case s.wishes <- struct{}{}:
	default:
	}
}

// AdmissionWishes has a value when a round of admission is wanted.
func (s *Tasks) AdmissionWishes() <-chan struct{} { return s.wishes }
