package refunds

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
)

// EndByHand writes that a person has given the money of a refund by hand back, or that it does not go back, and stages the look by which the
// books follow. One that is not by hand, or has ended, is left as it is.
func (s *Service) EndByHand(ctx context.Context, tx pgx.Tx, id uuid.UUID, paid bool) error {
	r, err := s.db.RefundRead(ctx, tx, id)

	switch {
	case postgres.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read refund %s: %w", id, err)
	}

	if _, err := s.db.RefundOrderLock(ctx, tx, r.OrderID); err != nil {
		return fmt.Errorf("lock order %s: %w", r.OrderID, err)
	}

	status := Done
	if !paid {
		status = Refused
	}

	n, err := s.db.RefundEndByHand(ctx, tx, db.RefundEndByHandParams{ID: id, Status: string(status), Now: s.now()})
	if err != nil || n == 0 {
		return wrapEnd(err, id)
	}

	// A look may have seen the money before the person told us.
	unseen, err := s.db.RefundUnseen(ctx, tx, r.OrderID)
	if err != nil {
		return wrapEnd(err, id)
	}

	return s.askLook(ctx, tx, r, paid && unseen)
}

func wrapEnd(err error, id uuid.UUID) error {
	if err != nil {
		return fmt.Errorf("end refund %s by hand: %w", id, err)
	}

	return nil
}
