// Package phases puts the phases of a generation together: a caller from outside works with all of them as one.
package phases

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/admission"
	"imagerun/internal/generation/attempt"
	"imagerun/internal/generation/bills"
	"imagerun/internal/generation/breaker"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/erasure"
	"imagerun/internal/generation/history"
	"imagerun/internal/generation/intake"
	"imagerun/internal/generation/task"
	"imagerun/internal/picture"
	"imagerun/internal/plan"
	"imagerun/internal/providers"
	"imagerun/internal/retention"
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
	References generation.References
	Watches    generation.Watches
	Pictures   *picture.Opener // nil in a process that runs no jobs
	Catalogue  *catalogue.Catalogue
	Plans      *plan.Plans
	Users      *user.Directory
	Credits    *credits.Ledger
	Notifier   generation.Notifier
	Log        *slog.Logger
	Now        clock.Now
	Options    generation.Options
}

// Service is every verb of a generation. Safe for concurrent use.
type Service struct {
	*task.Tasks
	*admission.Admission
	*intake.Intake
	*attempt.Attempts
	*history.History
	*erasure.Erasure
	*bills.Bills

	models    *breaker.Models
	catalogue *catalogue.Catalogue
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service {
	tasks := task.New(task.Deps{Pool: d.Pool, Queue: d.Queue, Credits: d.Credits, Notifier: d.Notifier, Log: d.Log, Now: d.Now})
	models := breaker.NewModels(d.Pool, d.Log, d.Now, d.Catalogue.Has)

	turns := admission.New(admission.Deps{
		Pool: d.Pool, Tasks: tasks, Models: models, Catalogue: d.Catalogue, Plans: d.Plans, Credits: d.Credits,
		Log: d.Log, Now: d.Now, Options: d.Options,
	})
	past := history.New(history.Deps{
		Pool: d.Pool, Tasks: tasks, Admission: turns, Bucket: d.Bucket, Users: d.Users, Credits: d.Credits, Now: d.Now,
	})
	attempts := attempt.New(attempt.Deps{
		Pool: d.Pool, Tasks: tasks, Models: models, Provider: d.Provider, Bucket: d.Bucket, References: d.References, Watches: d.Watches,
		Pictures: d.Pictures, Catalogue: d.Catalogue, Log: d.Log, Now: d.Now, Options: d.Options,
	})

	return &Service{
		Tasks: tasks, Admission: turns, History: past, Attempts: attempts,
		Intake: intake.New(intake.Deps{
			Pool: d.Pool, Tasks: tasks, Admission: turns, History: past, References: d.References, Catalogue: d.Catalogue, Plans: d.Plans,
			Users: d.Users, Credits: d.Credits, Notifier: d.Notifier, Log: d.Log, Now: d.Now, Options: d.Options,
		}),
		Erasure: erasure.New(erasure.Deps{
			Pool: d.Pool, Queue: d.Queue, Tasks: tasks, Attempts: attempts, Provider: d.Provider, Bucket: d.Bucket, Users: d.Users,
			Notifier: d.Notifier, Log: d.Log, Now: d.Now, Options: d.Options,
		}),
		Bills:     bills.New(bills.Deps{Pool: d.Pool, Tasks: tasks, Biller: d.Biller, Log: d.Log, Now: d.Now}),
		models:    models,
		catalogue: d.Catalogue,
	}
}

// Register makes the phases the handlers of the jobs of generations.
func (s *Service) Register(r *queue.Registry) {
	s.Attempts.Register(r)
	s.Erasure.Register(r)
	s.Bills.Register(r)
}

// Retention is what is kept of generations, and for how long.
func (s *Service) Retention() []retention.Class {
	return append(s.Erasure.Retention(), s.Bills.Retention()...)
}

// Models lists the catalogue.
func (s *Service) Models() []catalogue.Model { return s.catalogue.Models }

// Degraded returns the models that are failing and since when: their generations wait, or go to
// a model that their users allow.
func (s *Service) Degraded(ctx context.Context) (map[string]time.Time, error) {
	return s.models.Degraded(ctx)
}

// Cancel ends the user's generation at once where its provider has not begun, and shows it as it is then; see [task.Tasks.CancelOwned].
// Errors: [generation.ErrNotFound], [generation.ErrDeleted], [generation.ErrNotCancelable].
func (s *Service) Cancel(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error) {
	if err := s.CancelOwned(ctx, userID, id); err != nil {
		return generation.Generation{}, err
	}

	return s.Get(ctx, userID, id)
}
