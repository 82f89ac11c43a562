package app

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// ledger builds the ledger as it is configured.
func ledger(c config.Credits, now clock.Now) *credits.Ledger {
	o := credits.Options{Now: now, SignupKeys: c.WelcomeKeys, WelcomeLife: c.WelcomeLife}
	if len(c.WelcomeKeys) > 0 {
		o.Welcome = int64(c.Welcome)
	}

	return credits.New(o)
}

// expireMost is how many grants are looked for at a time.
const expireMost = 500

// expireCredits books the expiry of what is due, until nothing is.
func (b *base) expireCredits(ctx context.Context, _ *queue.Job[queue.ExpireCredits]) error {
	for {
		n, err := b.credits.Expire(ctx, b.pool, expireMost)
		if err != nil || n == 0 {
			return err
		}

		b.log.InfoContext(ctx, "credits expired", slog.Int("subjects", n))
	}
}

// auditCredits looks for what must never be, and notes what it found for the alarms.
func (b *base) auditCredits(ctx context.Context, _ *queue.Job[queue.AuditCredits]) error {
	broken, err := credits.AuditAll(ctx, b.pool, b.clock.Now, func(credits.Checked) {})
	if err != nil {
		return err
	}

	for _, v := range broken {
		b.log.ErrorContext(ctx, "an invariant of the ledger does not hold",
			slog.String("invariant", v.Invariant), slog.Any("subject", v.Subject), slog.String("what", v.What))
	}

	return credits.RecordAudit(ctx, b.pool, b.clock.Now(), broken)
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
