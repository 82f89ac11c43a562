package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/postgres"
)

// maxHolds is how many holds that outlived their time are looked at in one pass.
const maxHolds = 500

// RunDeadlines ends what is past its deadline, about each interval, until ctx ends, and keeps the
// metric of failing models up to date. Schedulers run it; any number may.
func (s *Admission) RunDeadlines(ctx context.Context, interval time.Duration) {
	clock.Every(ctx, interval, func(ctx context.Context) {
		if _, err := s.ExpireDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("expiry of generations failed", slog.Any("error", err))
		}

		// A process that submits nothing does not notice that a model works again; one shall.
		if _, err := s.Models.Opened(ctx, s.Pool); err != nil && ctx.Err() == nil {
			s.Log.Error("model breakers not read", slog.Any("error", err))
		}
	})
}

// ExpireDue ends every generation past its deadline and returns how many. A scheduler that does so at the same time takes others of
// them, so that several get on as much faster. One that cannot be ended keeps no other from it; the error then says which.
func (s *Admission) ExpireDue(ctx context.Context) (expired int, err error) {
	due := dueScan{now: s.Now(), broken: []uuid.UUID{}}

	var failed []error

	for {
		id, err := s.expireNext(ctx, &due)

		switch {
		case id == uuid.Nil && err != nil:
			return expired, errors.Join(append(failed, fmt.Errorf("look for what is due: %w", err))...)
		case id == uuid.Nil:
			return expired, errors.Join(append(failed, s.releaseOutlivedHolds(ctx))...)
		case err != nil:
			failed = append(failed, fmt.Errorf("expire %s: %w", id, err))
		default:
			expired++
		}
	}
}

// dueScan is how far a look at the deadlines has come. What was ended leaves traces in their index, which it need not pass again.
type dueScan struct {
	since, now time.Time
	broken     []uuid.UUID // what cannot be ended
}

// expireNext ends the next that is due and that no other scheduler is at, and returns which it was; none: none is left.
func (s *Admission) expireNext(ctx context.Context, due *dueScan) (id uuid.UUID, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		id = uuid.Nil

		row, err := s.db.TaskDueLock(ctx, tx, db.TaskDueLockParams{Since: due.since, Now: due.now, Broken: due.broken})
		if err != nil {
			return err
		}

		id, due.since = row.AiTask.ID, row.AiTask.DeadlineAt

		return s.Tasks.Conclude(ctx, tx, &task.Task{AiTask: row.AiTask, Ref: row.Ref}, generation.FailureDeadline)
	})

	switch {
	case id == uuid.Nil && postgres.IsNotFound(err):
		return id, nil
	case err != nil:
		due.broken = append(due.broken, id)
	}

	return id, err
}

// releaseOutlivedHolds sees to it that no hold outlives its time. A generation that has a hold then should have been
// ended by its deadline; whatever kept it from that, its user gets the credits back.
func (s *Admission) releaseOutlivedHolds(ctx context.Context) error {
	overdue, err := s.Credits.Overdue(ctx, s.Pool, maxHolds)
	if err != nil {
		return err
	}

	var failed []error

	for _, id := range overdue {
		outlived, err := s.releaseOverdue(ctx, id)

		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("release hold of %s: %w", id, err))
		case outlived:
			s.Log.Error("hold outlived its generation", generation.LogID(id))
		}
	}

	return errors.Join(failed...)
}

// releaseOverdue ends a generation whose hold is overdue, and releases the hold. False: there was nothing to release any more,
// or a worker is at it.
func (s *Admission) releaseOverdue(ctx context.Context, id uuid.UUID) (outlived bool, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		outlived = true

		row, err := s.db.TaskLockFree(ctx, tx, id)
		if err == nil {
			err = s.Tasks.Conclude(ctx, tx, &task.Task{AiTask: row.AiTask, Ref: row.Ref}, generation.FailureDeadline)
		} else if postgres.IsNotFound(err) {
			if _, err := s.db.TaskPeek(ctx, tx, id); !postgres.IsNotFound(err) {
				outlived = false

				return err
			}
		}

		if !task.IsFinished(err) && !postgres.IsNotFound(err) {
			return err
		}

		released, err := s.Credits.Release(ctx, tx, id)
		outlived = released > 0

		return err
	})

	return outlived, err
}
