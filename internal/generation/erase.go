package generation

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// TombstoneLifetime is how long the owner of a deleted generation gets 410 rather than 404.
const TombstoneLifetime = 30 * 24 * time.Hour

// attemptEraser deletes what the provider keeps of an attempt that is over.
type attemptEraser struct{ *Service }

// Handle deletes payloads and output files at the provider. Doing it again is harmless.
func (h attemptEraser) Handle(ctx context.Context, job *queue.Job[queue.EraseAttempt]) error {
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)

	switch {
	case notFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	case a.RequestID == nil || a.ErasedAt != nil:
		return nil
	}

	return h.eraseAttempt(ctx, a)
}

func (s *Service) eraseAttempt(ctx context.Context, a db.ProviderAttempt) error {
	err := s.Provider.Erase(ctx, *a.RequestID)
	s.metrics.call("erase", err)

	if err != nil {
		return err
	}

	now := s.Now()

	return wrap(s.db.AttemptErased(ctx, s.Pool, db.AttemptErasedParams{ID: a.ID, At: &now}), "mark attempt erased")
}

// eraser deletes a generation that its owner deleted: at the provider, then its objects, and
// its rows last, so that whatever is left can still be found.
type eraser struct{ *Service }

// Handle goes through all of it from the start each time; every step may be repeated.
func (h eraser) Handle(ctx context.Context, job *queue.Job[queue.EraseGeneration]) error {
	id := job.Args.TaskID

	open, err := h.db.AttemptOpen(ctx, h.Pool, id)
	if err != nil {
		return fmt.Errorf("list open attempts of %s: %w", id, err)
	}

	if len(open) > 0 {
		return job.Snooze() // their cancel jobs are on it
	}

	attempts, err := h.db.AttemptUnerased(ctx, h.Pool, id)
	if err != nil {
		return fmt.Errorf("list attempts of %s: %w", id, err)
	}

	for _, a := range attempts {
		if err := h.eraseAttempt(ctx, a); err != nil {
			return err
		}
	}

	images, err := h.db.ImageList(ctx, h.Pool, []uuid.UUID{id})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", id, err)
	}

	keys := make([]string, 0, 2*len(images))
	for _, img := range images {
		keys = append(keys, img.Key, img.ThumbnailKey)
	}

	if err := h.Bucket.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("delete objects of %s: %w", id, err)
	}

	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.TaskDelete(ctx, tx, id); err != nil {
			return fmt.Errorf("delete generation %s: %w", id, err)
		}

		return job.Complete(ctx, tx)
	})
}

// tombstonePurger forgets old tombstones.
type tombstonePurger struct{ *Service }

// Handle implements [queue.Handler].
func (h tombstonePurger) Handle(ctx context.Context, _ *queue.Job[queue.PurgeTombstones]) error {
	if _, err := h.db.TombstonePurge(ctx, h.Pool, h.Now().Add(-TombstoneLifetime)); err != nil {
		return fmt.Errorf("purge tombstones: %w", err)
	}

	return nil
}
