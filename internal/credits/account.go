package credits

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
