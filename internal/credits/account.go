package credits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
	"imagerun/internal/fault"
)

// Account is what a user has.
type Account struct {
	Balance

	Grants []Holding // what is left of each, in the order in which it will be spent
}

// Account returns what a user has, after their welcome credits.
func (l *Ledger) Account(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (a Account, err error) {
	if _, err = l.GiveWelcome(ctx, tx, userID); err != nil {
		return a, err
	}

	if a.Balance, err = l.Balance(ctx, tx, userID); err != nil {
		return a, err
	}

	a.Grants, err = l.Grants(ctx, tx, userID)

	return a, err
}

// UserOf returns whose a subject is; uuid.Nil: their account is erased.
func (l *Ledger) UserOf(ctx context.Context, tx db.DBTX, subject uuid.UUID) (uuid.UUID, error) {
	id, err := l.db.SubjectUser(ctx, tx, subject)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, nil
	}

	return id, fault.Wrap(err, "read whose a subject is")
}
