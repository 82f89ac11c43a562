// Package attempt is one call of a provider: it hands a generation over, follows it, stores what comes of it, calls it off.
//
// # Invariants
//
//   - An attempt's row is committed before the provider is called: a call without a row cannot be. While an attempt's
//     outcome is unknown no other attempt is made.
//   - What becomes known of an attempt is written under the locks of its task and of its own row. A request that becomes
//     known when its attempt is over is called off and its copy erased.
//   - An image's row is committed before its objects are put, and the key is the row's: doing it again overwrites itself,
//     and an object without a row cannot be.
//   - A worker never waits for a running image: the collect job snoozes, a callback wakes it.
package attempt

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/generation/breaker"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/picture"
	"imagerun/internal/providers"
	"imagerun/internal/storage"
	"imagerun/queue"
)

// Deps are what [Attempts] work with. All are required, except where said.
type Deps struct {
	Pool       *pgxpool.Pool
	Tasks      *task.Tasks
	Models     *breaker.Models
	Provider   providers.Provider // nil in a process that runs no jobs
	Bucket     storage.Bucket
	References generation.References
	Watches    generation.Watches
	Pictures   *picture.Opener // nil in a process that runs no jobs
	Catalogue  *catalogue.Catalogue
	Log        *slog.Logger
	Now        clock.Now
	Options    generation.Options
}

// Attempts are the calls of providers. Safe for concurrent use.
type Attempts struct {
	Deps

	db      *db.Queries
	account *breaker.Account
	metrics *metrics
}

// New returns attempts. It dials nothing and calls no provider.
func New(d Deps) *Attempts {
	return &Attempts{Deps: d, db: db.New(), account: breaker.NewAccount(d.Now), metrics: newMetrics()}
}

// Register makes the attempts the handlers of their jobs.
func (s *Attempts) Register(r *queue.Registry) {
	queue.Register(r, submitter{s})
	queue.Register(r, collector{s})
	queue.Register(r, canceler{s})
}
