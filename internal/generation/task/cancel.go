package task

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
)

// errHasTurn says that a generation does not wait any more.
var errHasTurn = errors.New("generation has got its turn")

// CancelOwned ends the user's generation at once where its provider has not begun. One that it may have begun is asked to stop,
// and what the provider does then decides: of what it stops nothing is kept or paid for, what it finishes is stored and paid for
// as ever. At the deadline it ends whatever the provider says. Canceling what was canceled changes nothing.
// Errors: [generation.ErrNotFound], [generation.ErrDeleted], [generation.ErrNotCancelable].
func (s *Tasks) CancelOwned(ctx context.Context, userID, id uuid.UUID) error {
	_, err := s.cancelOwned(ctx, userID, id, false)

	return err
}

// cancelOwned cancels one and returns its row. With waiting, one that has got its turn is left alone: errHasTurn.
func (s *Tasks) cancelOwned(ctx context.Context, userID, id uuid.UUID, waiting bool) (t *Task, err error) {
	if _, err := s.FindOwned(ctx, userID, id); err != nil {
		return nil, err
	}

	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err = s.Lock(ctx, tx, id)

		switch {
		case postgres.IsNotFound(err) || err == nil && t.DeletedAt != nil:
			return generation.ErrDeleted // since the look above
		case err != nil:
			return err
		case waiting && t.AdmittedAt != nil:
			return errHasTurn
		}

		err = s.RequestCancel(ctx, tx, t, generation.FailureCanceledByUser)
		if IsFinished(err) && t.State() != generation.StatusCanceled {
			return s.explainTooLate(ctx, tx, id)
		}

		return IgnoreFinished(err)
	})

	return t, err
}

// RequestCancel ends a locked task, or has its collector ask the provider to stop. An attempt that is open may have been sent,
// so its provider may work for us: until it says that it does not, the task keeps its slot and its hold. The code says who asks;
// the first who did is who canceled it.
func (s *Tasks) RequestCancel(ctx context.Context, tx pgx.Tx, t *Task, who generation.FailureCode) error {
	if t.State().Terminal() {
		return ErrFinished
	}

	open, err := s.db.AttemptOpen(ctx, tx, t.ID)

	switch {
	case err != nil:
		return fmt.Errorf("list open attempts of %s: %w", t.ID, err)
	case len(open) == 0:
		return s.Change(ctx, tx, t, generation.StatusCanceled, who, nil)
	case t.CancelRequested:
		return nil
	}

	t.CancelRequested, t.OperatorCancel = true, who == generation.FailureByOperator
	if err := s.Change(ctx, tx, t, t.State(), "", nil); err != nil {
		return err
	}

	kind := jobs.CollectGeneration{}.Kind()
	for _, id := range open { // one whose request is not known has no collector yet
		if err := s.Wake(ctx, tx, kind, id); err != nil {
			return err
		}
	}

	return nil
}

// CancelCode is who asked a task to stop.
func (t *Task) CancelCode() generation.FailureCode {
	if t.OperatorCancel {
		return generation.FailureByOperator
	}

	return generation.FailureCanceledByUser
}

// explainTooLate is [generation.ErrNotCancelable] with what the generation cost.
func (s *Tasks) explainTooLate(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return err
	}

	return generation.ErrNotCancelable.WithMore(costs[id].Sentence())
}
