package generation

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
)

// errHasTurn says that a generation does not wait any more.
var errHasTurn = errors.New("generation has got its turn")

// cancel cancels one and returns its row. With waiting, one that has got its turn is left alone: errHasTurn.
func (s *Service) cancel(ctx context.Context, userID, id uuid.UUID, waiting bool) (t *task, err error) {
	if _, err := s.visible(ctx, userID, id); err != nil {
		return nil, err
	}

	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err = s.lock(ctx, tx, id)

		switch {
		case notFound(err) || err == nil && t.DeletedAt != nil:
			return ErrDeleted // since the look above
		case err != nil:
			return err
		case waiting && t.AdmittedAt != nil:
			return errHasTurn
		}

		err = s.requestCancel(ctx, tx, t, FailureCanceledByUser)
		if over(err) && t.status() != StatusCanceled {
			return s.tooLate(ctx, tx, id)
		}

		return moot(err)
	})

	return t, err
}

// requestCancel ends a locked task, or has its collector ask the provider to stop. An attempt that is open may have been sent,
// so its provider may work for us: until it says that it does not, the task keeps its slot and its hold. The code says who asks;
// the first who did is who canceled it.
func (s *Service) requestCancel(ctx context.Context, tx pgx.Tx, t *task, who FailureCode) error {
	if t.status().Terminal() {
		return errOver
	}

	open, err := s.db.AttemptOpen(ctx, tx, t.ID)

	switch {
	case err != nil:
		return fmt.Errorf("list open attempts of %s: %w", t.ID, err)
	case len(open) == 0:
		return s.change(ctx, tx, t, StatusCanceled, who, nil)
	case t.CancelRequested:
		return nil
	}

	t.CancelRequested, t.OperatorCancel = true, who == FailureByOperator
	if err := s.change(ctx, tx, t, t.status(), "", nil); err != nil {
		return err
	}

	kind := jobs.CollectGeneration{}.Kind()
	for _, id := range open { // one whose request is not known has no collector yet
		if err := s.Queue.Wake(ctx, tx, kind, jobKey(kind, id)); err != nil {
			return err
		}
	}

	return nil
}

// cancelCode is who asked a task to stop.
func (t *task) cancelCode() FailureCode {
	if t.OperatorCancel {
		return FailureByOperator
	}

	return FailureCanceledByUser
}

// tooLate is [ErrNotCancelable] with what the generation cost.
func (s *Service) tooLate(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return err
	}

	return ErrNotCancelable.WithMore(costs[id].Sentence())
}
