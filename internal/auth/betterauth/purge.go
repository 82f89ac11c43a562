package betterauth

import (
	"context"
	"fmt"
)

// Purge deletes what is over, at most so many rows of each table: expired sessions and reset links, accounts whose
// address nobody verified within a week, mails that were not sent within a day, idle rate limits. It returns the most
// rows that went of one table: with fewer than most, nothing is left.
func Purge(ctx context.Context, db DB, most int) (int, error) {
	var n int

	if err := db.QueryRow(ctx, `select auth.purge($1)`, most).Scan(&n); err != nil {
		return 0, fmt.Errorf("purge what is over of the auth service: %w", err)
	}

	return n, nil
}
