package credits

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/credits/db"
)

// Cost is what became of a generation's hold, in credits. The zero value is that of one that cost
// nothing and holds nothing.
type Cost struct {
	Held     int64 // still set aside
	Captured int64 // paid for images
	Released int64 // returned
	Refunded int64 // of Captured, given back later
}

// Sentence says what it came to, for the person who asked for the generation.
func (c Cost) Sentence() string {
	paid := c.Captured - c.Refunded

	switch {
	case c.Held > 0:
		return formatCredits(c.Held) + " set aside until it ends."
	case paid == 0 && c.Refunded > 0:
		return "What was charged was given back."
	case paid == 0:
		return "Nothing was charged."
	case c.Released > 0:
		return formatCredits(paid) + " charged for the pictures that came; the rest was returned."
	default:
		return formatCredits(paid) + " charged for the pictures that came."
	}
}

// formatCredits says how many credits were.
func formatCredits(n int64) string {
	if n == 1 {
		return "1 credit was"
	}

	return fmt.Sprintf("%d credits were", n)
}

// Costs returns what each generation cost that ever had a hold.
func (l *Ledger) Costs(ctx context.Context, tx db.DBTX, taskIDs []uuid.UUID) (map[uuid.UUID]Cost, error) {
	rows, err := l.db.HoldsRead(ctx, tx, taskIDs)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}

	costs := make(map[uuid.UUID]Cost, len(rows))

	for _, h := range rows {
		c := Cost{Captured: h.Captured, Released: h.Released, Refunded: h.Refunded}
		if h.ClosedAt == nil {
			c.Held = h.Amount - h.Captured
		}

		costs[h.TaskID] = c
	}

	return costs, nil
}
