package generation

import (
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/estimate"
	"imagerun/internal/cache"
	"imagerun/internal/picture"
	"imagerun/internal/plan"
	"imagerun/internal/providers"
	"imagerun/internal/storage"
	"imagerun/internal/user"
	"imagerun/queue/durable"
)

// Deps are what a [Service] works with. All are required, except where said.
type Deps struct {
	Pool       *pgxpool.Pool
	Queue      *durable.Queue
	Provider   providers.Provider // nil in a process that runs no jobs
	Biller     providers.Biller   // nil: what the provider bills is not compared
	Bucket     storage.Bucket
	References References
	Watches    Watches
	Pictures   *picture.Opener // nil in a process that runs no jobs
	Catalogue  *catalogue.Catalogue
	Plans      *plan.Plans
	Users      *user.Directory
	Credits    *credits.Ledger
	Notifier   Notifier
	Log        *slog.Logger
	Now        clock.Now
	Options    Options
}

// Service is the verbs of generations. Safe for concurrent use.
type Service struct {
	Deps

	db      *db.Queries
	admit   chan struct{} // one waiting wish to admit is enough
	breaker *accountBreaker
	models  *modelBreakers
	metrics *Metrics
	took    *estimate.Estimator
	lines   map[string]*cache.Value[line] // by provider

	sayNoBiller sync.Once
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service {
	queries, metrics := db.New(), newMetrics()

	s := &Service{
		Deps:    d,
		db:      queries,
		admit:   make(chan struct{}, 1),
		breaker: &accountBreaker{now: d.Now},
		models:  &modelBreakers{db: queries, pool: d.Pool, now: d.Now, log: d.Log, metrics: metrics, known: d.Catalogue.Has},
		metrics: metrics,
		took:    estimate.New(d.Pool, d.Catalogue.IDs(), d.Now),
	}
	s.lines = s.newLines()

	return s
}

// Models lists the catalogue.
func (s *Service) Models() []catalogue.Model { return s.Catalogue.Models }
