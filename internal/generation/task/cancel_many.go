package task

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
)

// maxCancelWaiting is how many of those that wait are canceled in one call.
const maxCancelWaiting = 100

// CancelMany cancels each of the user's generations as [phases.Service.Cancel] does, in a transaction of its own, and returns what became
// of each. After an error some are canceled; doing it again is harmless.
func (s *Tasks) CancelMany(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error) {
	done := make([]generation.Cancellation, len(ids))

	for i, id := range ids {
		t, err := s.cancelOwned(ctx, userID, id, false)
		if done[i], err = cancellationOf(t, err); err != nil {
			return nil, err
		}
	}

	return done, nil
}

// CancelWaiting cancels what of the user's waits for its turn, the newest first, and leaves alone what gets its turn meanwhile.
// After an error some are canceled; doing it again is harmless.
func (s *Tasks) CancelWaiting(ctx context.Context, userID uuid.UUID) (generation.CanceledWaiting, error) {
	ids, err := s.db.TaskWaiting(ctx, s.Pool, db.TaskWaitingParams{UserID: userID, Most: maxCancelWaiting + 1})
	if err != nil {
		return generation.CanceledWaiting{}, fmt.Errorf("list what waits: %w", err)
	}

	out := generation.CanceledWaiting{HasMore: len(ids) > maxCancelWaiting}

	for _, id := range ids[:min(len(ids), maxCancelWaiting)] {
		switch _, err := s.cancelOwned(ctx, userID, id, true); {
		case err == nil:
			out.IDs = append(out.IDs, id)
		case errors.Is(err, errHasTurn) || errors.Is(err, generation.ErrDeleted) || errors.Is(err, generation.ErrNotFound) || errors.Is(err, generation.ErrNotCancelable):
			// it waits no more
		default:
			return out, err
		}
	}

	return out, nil
}

// cancellationOf says what became of a task, or returns what befell us.
func cancellationOf(t *Task, err error) (generation.Cancellation, error) {
	switch {
	case errors.Is(err, generation.ErrNotCancelable):
		return generation.CancellationTooLate, nil
	case errors.Is(err, generation.ErrDeleted):
		return generation.CancellationDeleted, nil
	case errors.Is(err, generation.ErrNotFound):
		return generation.CancellationNotFound, nil
	case err != nil:
		return "", err
	case t.State().Terminal():
		return generation.CancellationDone, nil
	default:
		return generation.CancellationRequested, nil
	}
}
