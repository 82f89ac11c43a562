package generation

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CancelByOperator is [Service.Cancel] by an operator, whoever's the generation is, in the operator's own transaction: it ends with
// [FailureByOperator]. One that its user asked to stop before stays the user's. Errors: [ErrNotFound], [ErrDeleted], [ErrNotCancelable].
func (s *Service) CancelByOperator(ctx context.Context, tx pgx.Tx, id uuid.UUID) (out OperatorCancel, err error) {
	t, err := s.lock(ctx, tx, id)

	switch {
	case notFound(err):
		return out, ErrNotFound
	case err != nil:
		return out, err
	case t.DeletedAt != nil:
		return out, ErrDeleted
	}

	before, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return out, err
	}

	sequence := t.StatusSequence

	err = s.requestCancel(ctx, tx, t, FailureByOperator)
	if over(err) && t.status() != StatusCanceled {
		return out, s.tooLate(ctx, tx, id)
	} else if moot(err) != nil {
		return out, err
	}

	after, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})

	return OperatorCancel{
		Changed: t.StatusSequence != sequence, Status: t.status(), Canceling: t.CancelRequested && !t.status().Terminal(),
		Returned: after[id].Released - before[id].Released, Cost: after[id],
	}, err
}
