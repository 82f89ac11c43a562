package asynqueue

import (
	"context"
	"fmt"
)

// keepArchived is how many dead tasks of a queue the dashboard can show. All dead jobs are in
// Postgres. asynq would keep 10,000, and fails to archive at all once too many have expired.
const maxArchived = 1000

// TrimArchive implements [durable.Pusher].
func (p *Pusher) TrimArchive(ctx context.Context, queues []string) (err error) {
	for _, q := range queues {
		if e := trimScript.Run(ctx, p.client, []string{queueKey(q, "archived")}, queueKey(q, "t:"), maxArchived).Err(); e != nil {
			err = fmt.Errorf("trim archive of %s: %w", q, e) // the others are trimmed all the same
		}
	}

	return err
}
