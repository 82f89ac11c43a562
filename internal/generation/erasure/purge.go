package erasure

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

const (
	// maxPurged is how many rows one transaction of the purge takes.
	maxPurged = 200
	// deathRest is how long after the death of a job the next one of its kind and row is tried: it may have been a poison.
	deathRest = 24 * time.Hour
	// eraseFor is how long after an attempt was forgotten by its provider, as it promises, its copy is still asked to be erased.
	eraseFor = 7 * 24 * time.Hour
)

// purger finds what generations that have ended are still owed because a job died or was removed. What has not ended does at
// its deadline.
type purger struct{ *Erasure }

// Handle implements [queue.Handler].
func (h purger) Handle(ctx context.Context, _ *queue.Job[jobs.PurgeGenerations]) error {
	if err := h.inBatches(ctx, h.eraseLeft); err != nil {
		return err
	}

	return h.inBatches(ctx, h.settleAttempts)
}

// inBatches calls step in transactions of its own, each with the place that the one before has come to, until none is left.
func (h purger) inBatches(ctx context.Context, step func(context.Context, pgx.Tx, uuid.UUID) (uuid.UUID, error)) error {
	for after := uuid.Nil; ; {
		var last uuid.UUID

		err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) (err error) {
			last, err = step(ctx, tx, after)

			return err
		})
		if err != nil || last == uuid.Nil {
			return err
		}

		after = last
	}
}

// eraseLeft has the erasures go on of what is deleted and still here.
func (h purger) eraseLeft(ctx context.Context, tx pgx.Tx, after uuid.UUID) (last uuid.UUID, err error) {
	ids, err := h.db.TaskLeft(ctx, tx, db.TaskLeftParams{After: after, Most: maxPurged})
	if err != nil || len(ids) == 0 {
		return uuid.Nil, fault.Wrap(err, "list what is deleted")
	}

	err = h.stageUnattended(ctx, tx, ids, func(id uuid.UUID) queue.Args { return jobs.EraseGeneration{TaskID: id} }, deathRest)

	return ids[len(ids)-1], err
}

// settleAttempts has attempts called off that are still open, and copies erased that the provider may still have. An open attempt of
// which nothing can come any more is ended.
func (h purger) settleAttempts(ctx context.Context, tx pgx.Tx, after uuid.UUID) (last uuid.UUID, err error) {
	now := h.Now()

	rows, err := h.db.AttemptOwed(ctx, tx, db.AttemptOwedParams{After: after, Since: now.Add(-h.Attempts.CopyLifetime() - eraseFor), Most: maxPurged})
	if err != nil || len(rows) == 0 {
		return uuid.Nil, fault.Wrap(err, "list what attempts are owed")
	}

	var forgotten, open, kept []uuid.UUID

	tasks := map[uuid.UUID]uuid.UUID{}

	for _, r := range rows {
		tasks[r.ID] = r.TaskID

		switch {
		case !r.Open:
			kept = append(kept, r.ID)
		case now.Before(r.CreatedAt.Add(h.Attempts.CopyLifetime())):
			open = append(open, r.ID)
		default:
			forgotten = append(forgotten, r.ID)
		}
	}

	forgotten, err = h.findUnattended(ctx, tx, forgotten, cancelOf, 0)
	if err != nil {
		return uuid.Nil, err
	}

	for _, id := range forgotten {
		if err := h.letGo(ctx, tx, tasks[id], id); err != nil {
			return uuid.Nil, err
		}
	}

	if err := h.stageUnattended(ctx, tx, open, cancelOf, deathRest); err != nil {
		return uuid.Nil, err
	}

	err = h.stageUnattended(ctx, tx, kept, func(id uuid.UUID) queue.Args { return jobs.EraseAttempt{AttemptID: id} }, deathRest)

	return rows[len(rows)-1].ID, err
}

// cancelOf is what calls an attempt off.
func cancelOf(attempt uuid.UUID) queue.Args { return jobs.CancelAttempt{AttemptID: attempt} }

// stageUnattended stages the job of each id for which none lives, and none died within rest.
func (s *Erasure) stageUnattended(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, args func(uuid.UUID) queue.Args, rest time.Duration) error {
	ids, err := s.findUnattended(ctx, tx, ids, args, rest)
	if err != nil {
		return err
	}

	for _, id := range ids {
		if err := s.Tasks.Stage(ctx, tx, args(id), id, 0); err != nil {
			return err
		}
	}

	return nil
}

// findUnattended returns those of the ids for which no job lives, and none died within rest.
func (s *Erasure) findUnattended(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, args func(uuid.UUID) queue.Args, rest time.Duration) (found []uuid.UUID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}

	kind, keys, byKey := args(uuid.Nil).Kind(), make([]string, len(ids)), make(map[string]uuid.UUID, len(ids))
	for i, id := range ids {
		keys[i] = task.JobKey(kind, id)
		byKey[keys[i]] = id
	}

	left, err := s.Queue.FindUnattended(ctx, tx, kind, keys, rest)
	if err != nil {
		return nil, fmt.Errorf("look for jobs: %w", err)
	}

	for _, key := range left {
		found = append(found, byKey[key])
	}

	return found, nil
}
