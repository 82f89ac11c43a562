package durable

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/queue/durable/db"
)

// FindUnattended returns those of the keys under which no job of a kind lives, and none died less than rest ago. It is for
// a domain that looks for what its rows are still owed, because a job died or was removed, and stages it anew: a job that takes
// its workers down is left alone for so long, zero: not at all. One that an operator has canceled counts as dead.
//
// The caller holds the rows of its domain, under whose locks such jobs are staged and end: then the answer is true until tx ends.
func (q *Queue) FindUnattended(ctx context.Context, tx pgx.Tx, kind string, keys []string, rest time.Duration) ([]string, error) {
	policy, ok := q.kinds.Policy(kind)
	if !ok {
		return nil, fmt.Errorf("find unattended %s: kind is not in the table of kinds", kind)
	}

	found, err := q.db.JobUnattended(ctx, tx, db.JobUnattendedParams{
		Kinds: policy.Names(), Keys: keys, Rest: rest.Seconds(),
	})
	if err != nil {
		return nil, fmt.Errorf("find unattended %s: %w", kind, err)
	}

	return found, nil
}
