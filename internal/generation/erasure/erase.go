package erasure

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// cancelPatience is how long an erasure waits for its cancel jobs without a word.
const cancelPatience = time.Hour

// eraser deletes a generation that its owner deleted: at the provider, then its objects, and
// its rows last, so that whatever is left can still be found.
type eraser struct{ *Erasure }

// Handle goes through all of it from the start each time; every step may be repeated.
func (h eraser) Handle(ctx context.Context, job *queue.Job[jobs.EraseGeneration]) error {
	id := job.Args.TaskID

	queue.About(ctx, generation.LogID(id))

	// 1. It has ended.
	row, err := h.db.TaskPeek(ctx, h.Pool, id)

	switch {
	case postgres.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read generation %s: %w", id, err)
	case row.AiTask.FinishedAt == nil:
		return job.Snooze() // what its provider does is to be paid for first, or returned
	}

	// 2. No attempt of it is open any more.
	open, err := h.db.AttemptOpen(ctx, h.Pool, id)
	if err != nil {
		return fmt.Errorf("list open attempts of %s: %w", id, err)
	}

	if err := h.callOffOpen(ctx, job, row.AiTask, open); err != nil {
		return err
	}

	// 3. The provider has nothing of it.
	attempts, err := h.db.AttemptUnerased(ctx, h.Pool, id)
	if err != nil {
		return fmt.Errorf("list attempts of %s: %w", id, err)
	}

	for _, a := range attempts {
		if err := h.eraseAttempt(ctx, a); err != nil {
			return err
		}
	}

	// 4. The bucket has nothing of it.
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

	// 5. Nor have we.
	return h.deleteRows(ctx, job)
}

// deleteRows ends an erasure. A request that became known meanwhile has it begin anew; of an attempt whose request
// may become known yet, what it takes to erase that is remembered.
func (h eraser) deleteRows(ctx context.Context, job *queue.Job[jobs.EraseGeneration]) error {
	id := job.Args.TaskID

	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, err := h.Tasks.Lock(ctx, tx, id); err != nil {
			return task.IgnoreFinished(err)
		}

		late, err := h.db.AttemptUnerased(ctx, tx, id)
		if err != nil {
			return fmt.Errorf("list attempts of %s: %w", id, err)
		}

		if len(late) > 0 {
			return queue.Snooze(0)
		}

		err = h.db.AttemptsRemember(ctx, tx, db.AttemptsRememberParams{TaskID: id, Kept: h.Attempts.CopyLifetime().Seconds(), Now: h.Now()})
		if err != nil {
			return fmt.Errorf("remember attempts of %s: %w", id, err)
		}

		if err := h.db.CostForget(ctx, tx, id); err != nil {
			return fmt.Errorf("forget what cost belongs to %s: %w", id, err)
		}

		if err := h.db.TaskDelete(ctx, tx, id); err != nil {
			return fmt.Errorf("delete generation %s: %w", id, err)
		}

		return job.Complete(ctx, tx)
	})
}

// callOffOpen returns nil when no attempt is open any more. That is the work of cancel jobs, which are
// waited for; but one of them may have died, and an erasure that was promised must not wait for
// ever. After an hour a failure here begins anew what died no less than an hour ago, and enough failures make this
// job dead, for an operator to see. What is so old that the provider has nothing of it any more is let go.
func (h eraser) callOffOpen(ctx context.Context, job *queue.Job[jobs.EraseGeneration], t db.AiTask, open []uuid.UUID) error {
	var left []uuid.UUID

	for _, id := range open {
		a, err := h.db.AttemptGet(ctx, h.Pool, id)
		if err != nil {
			return fmt.Errorf("read attempt %s: %w", id, err)
		}

		if h.Now().Before(h.Attempts.ForgottenAt(a)) {
			left = append(left, id)

			continue
		}

		err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error { return h.letGo(ctx, tx, a.TaskID, id) })
		if err != nil {
			return err
		}
	}

	if len(left) == 0 {
		return nil
	}

	if h.Now().Before(owedSince(t).Add(cancelPatience)) {
		return job.Snooze()
	}

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, err := h.Tasks.Lock(ctx, tx, job.Args.TaskID); err != nil {
			return err
		}

		return h.stageUnattended(ctx, tx, left, cancelOf, cancelPatience)
	})
	if err != nil {
		return err
	}

	return fmt.Errorf("attempts of %s are still open: %d", job.Args.TaskID, len(left))
}

// owedSince is since when a task is deleted and has ended.
func owedSince(t db.AiTask) time.Time {
	if t.DeletedAt == nil || t.FinishedAt.After(*t.DeletedAt) {
		return *t.FinishedAt
	}

	return *t.DeletedAt
}

// letGo ends an attempt that was never called off, because nothing can come of it any more.
func (s *Erasure) letGo(ctx context.Context, tx pgx.Tx, task, attempt uuid.UUID) error {
	s.Log.Warn("attempt was never called off", generation.LogID(task), slog.Any("attempt_id", attempt))

	return s.Attempts.EndAttempt(ctx, tx, attempt, "abandoned", "", &providers.Error{Class: providers.Unknown, Code: "cancel_lost"})
}
