package attempt

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
)

// Watch says that the user is looking at these generations, or without any at all of theirs that
// run: while it is said again each ten seconds, their progress is asked for often. It is what makes
// progress worth showing where the result comes by callback and the provider would otherwise be
// asked once a minute.
func (s *Attempts) Watch(ctx context.Context, userID uuid.UUID, ids ...uuid.UUID) error {
	if len(ids) == 0 {
		var err error
		if ids, err = s.db.TaskRunning(ctx, s.Pool, userID); err != nil || len(ids) == 0 {
			return fault.Wrap(err, "list what runs")
		}
	}

	fresh, err := s.Watches.Watch(ctx, ids...)
	if err != nil || len(fresh) == 0 {
		return fault.Wrap(err, "watch generations")
	}

	attempts, err := s.db.AttemptWatched(ctx, s.Pool, db.AttemptWatchedParams{TaskIds: fresh, UserID: userID})
	if err != nil {
		return fmt.Errorf("list watched attempts: %w", err)
	}

	kind := jobs.CollectGeneration{}.Kind()
	for _, id := range attempts {
		// Without their tasks jobs are locked one at a time.
		err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error { return s.Tasks.Wake(ctx, tx, kind, id) })
		if err != nil {
			return err
		}
	}

	return nil
}
