package task

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/postgres"
)

// CancelByOperator is [phases.Service.Cancel] by an operator, whichever user's the generation is, in the operator's own transaction: it ends with
// [generation.FailureByOperator]. One that its user asked to stop before stays the user's. Errors: [generation.ErrNotFound], [generation.ErrDeleted], [generation.ErrNotCancelable].
func (s *Tasks) CancelByOperator(ctx context.Context, tx pgx.Tx, id uuid.UUID) (out generation.OperatorCancel, err error) {
	t, err := s.Lock(ctx, tx, id)

	switch {
	case postgres.IsNotFound(err):
		return out, generation.ErrNotFound
	case err != nil:
		return out, err
	case t.DeletedAt != nil:
		return out, generation.ErrDeleted
	}

	before, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return out, err
	}

	sequence := t.StatusSequence

	err = s.RequestCancel(ctx, tx, t, generation.FailureByOperator)
	if IsFinished(err) && t.State() != generation.StatusCanceled {
		return out, s.explainTooLate(ctx, tx, id)
	} else if IgnoreFinished(err) != nil {
		return out, err
	}

	after, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})

	return generation.OperatorCancel{
		Changed: t.StatusSequence != sequence, Status: t.State(), Canceling: t.CancelRequested && !t.State().Terminal(),
		Returned: after[id].Released - before[id].Released, Cost: after[id],
	}, err
}
