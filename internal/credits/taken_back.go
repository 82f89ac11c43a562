package credits

import (
	"context"
	"fmt"

	"imagerun/internal/credits/db"
)

// TakenBack returns how many credits were taken back of the grants of these references, as far as they came.
func (l *Ledger) TakenBack(ctx context.Context, tx db.DBTX, references ...string) (int64, error) {
	if len(references) == 0 {
		return 0, nil
	}

	n, err := l.db.ClawedOf(ctx, tx, references)
	if err != nil {
		return 0, fmt.Errorf("read what was taken back: %w", err)
	}

	return n, nil
}
