package erasure

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
)

// Delete hides the user's generation at once and has it erased everywhere. One that has not ended is canceled first; where its
// provider may have begun, it is settled as [phases.Service.Cancel] says, and erased then. Deleting what was deleted is [generation.ErrDeleted]; see also [generation.ErrNotFound].
func (s *Erasure) Delete(ctx context.Context, userID, id uuid.UUID) error {
	if _, err := s.Tasks.FindOwned(ctx, userID, id); err != nil {
		return err
	}

	return postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err := s.Tasks.Lock(ctx, tx, id)
		if postgres.IsNotFound(err) || (err == nil && t.DeletedAt != nil) {
			return generation.ErrDeleted // since the look above
		} else if err != nil {
			return err
		}

		return s.hideAndErase(ctx, tx, t)
	})
}

// hideAndErase deletes a locked task. Of what was deleted nothing but ids is remembered, so that its
// owner's devices learn that it is gone.
func (s *Erasure) hideAndErase(ctx context.Context, tx *postgres.Tx, t *task.Task) error {
	if err := task.IgnoreFinished(s.Tasks.RequestCancel(ctx, tx, t, generation.FailureCanceledByUser)); err != nil {
		return err
	}

	now := s.Now()
	if err := s.db.TaskMarkDeleted(ctx, tx, db.TaskMarkDeletedParams{ID: t.ID, At: &now}); err != nil {
		return fmt.Errorf("mark %s deleted: %w", t.ID, err)
	}

	n, err := s.db.TombstoneInsert(ctx, tx, db.TombstoneInsertParams{TaskID: t.ID, UserID: t.UserID, At: now})
	if err == nil && n != 1 {
		err = fmt.Errorf("user %s is not known", t.UserID)
	}

	if err != nil {
		return fmt.Errorf("insert tombstone of %s: %w", t.ID, err)
	}

	tx.AfterCommit(func() { s.Notifier.Notify(t.Ref, t.ID, t.StatusSequence) })

	if !t.State().Terminal() {
		return nil // its end has it erased
	}

	return s.Tasks.Stage(ctx, tx, jobs.EraseGeneration{TaskID: t.ID}, t.ID, 0)
}

// DeleteMany deletes each of the user's generations as [Erasure.Delete] does, in a transaction of
// its own, and returns what became of each. After an error some are deleted; doing it again is
// harmless.
func (s *Erasure) DeleteMany(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error) {
	done := make([]generation.Deletion, len(ids))

	for i, id := range ids {
		switch err := s.Delete(ctx, userID, id); {
		case err == nil:
			done[i] = generation.DeletionDone
		case errors.Is(err, generation.ErrDeleted):
			done[i] = generation.DeletionAlready
		case errors.Is(err, generation.ErrNotFound):
			done[i] = generation.DeletionNotFound
		default:
			return nil, err
		}
	}

	return done, nil
}
