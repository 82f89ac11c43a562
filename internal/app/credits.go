package app

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/postgres"
)

// newLedger builds the ledger as it is configured.
func newLedger(c config.Credits, now clock.Now) *credits.Ledger {
	o := credits.Options{Now: now, SignupKeys: c.WelcomeKeys, WelcomeLife: c.WelcomeLife}
	if len(c.WelcomeKeys) > 0 {
		o.Welcome = int64(c.Welcome)
	}

	return credits.New(o)
}

// accounts shows the ledger to the edge.
type accounts struct {
	ledger *credits.Ledger
	pool   *pgxpool.Pool
}

// Account implements [httpapi.Credits].
func (a accounts) Account(ctx context.Context, userID uuid.UUID) (account credits.Account, err error) {
	err = postgres.InTx(ctx, a.pool, func(tx *postgres.Tx) error {
		account, err = a.ledger.Account(ctx, tx, userID)

		return err
	})

	return account, err
}

// Entries implements [httpapi.Credits].
func (a accounts) Entries(ctx context.Context, userID uuid.UUID, before int64, most int) ([]credits.Entry, error) {
	return a.ledger.Entries(ctx, a.pool, userID, before, most)
}
