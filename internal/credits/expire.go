package credits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/credits/db"
	"imagerun/internal/postgres"
)

// Expire books the expiry of what is due, each subject in a transaction of its own, and returns how
// many subjects it did; most bounds the grants that it looks for. What is held stays held. A subject
// that fails keeps no other from it; the error then says which.
func (l *Ledger) Expire(ctx context.Context, pool *pgxpool.Pool, most int) (int, error) {
	subjects, err := l.db.SubjectsDue(ctx, pool, db.SubjectsDueParams{Now: l.Now(), Most: int32(most)})
	if err != nil {
		return 0, fmt.Errorf("look for grants that expired: %w", err)
	}

	var failed []error

	for _, subject := range subjects {
		err := postgres.InTx(ctx, pool, func(tx *postgres.Tx) error { return l.ExpireSubject(ctx, tx, subject) })
		if err != nil {
			failed = append(failed, fmt.Errorf("expire grants of %s: %w", subject, err))
		}
	}

	return len(subjects) - len(failed), errors.Join(failed...)
}

// ExpireSubject books the expiry of what is due of one subject's.
func (l *Ledger) ExpireSubject(ctx context.Context, tx pgx.Tx, subject uuid.UUID) error {
	lt, err := l.openSubject(ctx, tx, subject)
	if err != nil {
		return err
	}

	return lt.close(ctx, entry{kind: KindExpire, key: "expire of " + subject.String()})
}
