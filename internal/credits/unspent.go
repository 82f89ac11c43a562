package credits

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
)

// Unspent is how much of a grant was not used.
type Unspent struct {
	Reference string
	Amount    int64 // of the grant
	Credits   int64 // that were not used
}

// Unspent returns how much of each grant was not used, of those references whose grants came: what can be taken back of it without that
// anything becomes debt, what expired unused included. What is held counts as used. The balance is locked, so that this stays so until tx ends.
func (l *Ledger) Unspent(ctx context.Context, tx pgx.Tx, subject uuid.UUID, references ...string) ([]Unspent, error) {
	if _, err := l.db.BalanceLock(ctx, tx, subject); err != nil {
		return nil, fmt.Errorf("lock balance of %s: %w", subject, err)
	}

	rows, err := l.db.GrantsUnspent(ctx, tx, db.GrantsUnspentParams{Subject: subject, GrantReferences: references})
	if err != nil {
		return nil, fmt.Errorf("read grants of %s: %w", subject, err)
	}

	list := make([]Unspent, len(rows))
	for i, r := range rows {
		list[i] = Unspent{Reference: r.Reference, Amount: r.Amount, Credits: r.Unspent}
	}

	return list, nil
}
