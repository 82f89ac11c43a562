package generation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/cache"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/estimate"
	"imagerun/internal/picture"
	"imagerun/internal/plan"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/user"
	"imagerun/queue"
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

// Options are the settings; config.go's section generation documents them for operators.
type Options struct {
	Slots          int           // generations in progress at the provider, over all users
	Deadline       time.Duration // from submit to expiry, unless the caller says
	MaxDeadline    time.Duration // the longest the caller may say
	UnknownWait    time.Duration // how long a callback may solve an unknown submit before we ask
	CollectFirst   time.Duration // from submit to the first look, where callbacks are expected
	CollectEvery   time.Duration // from look to look, where callbacks are expected
	PollEvery      time.Duration // from look to look, where none can come
	OutputLifetime time.Duration // how long the provider keeps its copy of the output
	CallbackURL    string        // public base of the callbacks; empty: none can come
	CallbackSecret redact.Secret // signs the callbacks' tokens
}

// Notifier tells watchers, wherever they are, that a generation changed. Notifications may be lost;
// Notify never blocks.
type Notifier interface {
	Notify(userRef string, id uuid.UUID, sequence int64)
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

// stage stages a job in the transaction; its key makes it the only live one of its kind.
func (s *Service) stage(ctx context.Context, tx pgx.Tx, args queue.Args, key uuid.UUID, after time.Duration) error {
	opts := []durable.StageOption{durable.Key(jobKey(args.Kind(), key))}
	if after > 0 {
		opts = append(opts, durable.After(after))
	}

	_, err := s.Queue.Stage(ctx, tx, args, opts...)

	return err
}

func jobKey(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
