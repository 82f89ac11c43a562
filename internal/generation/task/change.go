package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// ErrFinished says that the task is in a terminal status already, so there is nothing to change.
var ErrFinished = errors.New("generation is over")

// ErrNotLocked says that a row changed although it should have been locked.
var ErrNotLocked = errors.New("the row lock was not held")

// Task is a locked row, ready to be changed in its transaction.
type Task struct {
	db.AiTask

	Ref     string                 // the user's
	delayed bool                   // its delay is that of the status to come
	missing generation.FailureCode // why images that are still to come at its end did not; empty: as it ends
}

// State is the row's.
func (t *Task) State() generation.Status { return generation.Status(t.AiTask.Status) }

// Lock begins a change: the holder of the row decides. Unknown ids give pgx.ErrNoRows.
func (s *Tasks) Lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*Task, error) {
	row, err := s.db.TaskLock(ctx, tx, id)
	if err != nil {
		return nil, fmt.Errorf("lock generation %s: %w", id, err)
	}

	return &Task{AiTask: row.AiTask, Ref: row.Ref}, nil
}

// Change moves a locked task to a status: compare-and-set on the sequence, event, the jobs that
// the change causes, and after the commit the notification. Who served the task, how far its provider is and whether it is to stop
// and what it waits for are written with it, as they are in t: each write of a row costs as much as the next. What it waited
// for in another status is over. image is the index of an image
// that was stored, or nil. In a terminal status it returns [ErrFinished] and does nothing.
func (s *Tasks) Change(ctx context.Context, tx pgx.Tx, t *Task, to generation.Status, code generation.FailureCode, image *int16) error {
	if t.State().Terminal() {
		return ErrFinished
	}

	now := s.Now()

	if to != t.State() && !t.delayed {
		t.SetDelay("", now, 0)
	}

	set := db.TaskSetParams{
		ID: t.ID, StatusSequence: t.StatusSequence, Status: string(to),
		ServedModel: t.ServedModel, Progress: t.Progress, ProviderPosition: t.ProviderPosition,
		CancelRequested: t.CancelRequested, OperatorCancel: t.OperatorCancel,
		DelayReason: t.DelayReason, DelaySince: t.DelaySince, DelayNext: t.DelayNext,
	}

	if code != "" {
		c := string(code)
		set.FailureCode = &c
	}

	if to.Terminal() {
		set.FinishedAt = &now
	}

	sequence, err := s.db.TaskSet(ctx, tx, set)
	if postgres.IsNotFound(err) {
		err = ErrNotLocked
	}

	if err != nil {
		return fmt.Errorf("set status of %s: %w", t.ID, err)
	}

	was := t.State()
	t.StatusSequence = sequence
	t.AiTask.Status, t.FinishedAt = string(to), set.FinishedAt

	event := db.EventInsertParams{
		TaskID: t.ID, UserID: t.UserID, Sequence: t.StatusSequence, Status: string(to), ImageIndex: image, At: now,
		Canceling: t.CancelRequested && !to.Terminal(),
	}
	if err := s.recordOwnEvent(ctx, tx, event); err != nil {
		return err
	}

	if to.Terminal() {
		if err := s.settleEnd(ctx, tx, t, cmp.Or(t.missing, code)); err != nil {
			return err
		}
	}

	// Where the transaction does not tell of its commit, the sweeps find the change within seconds.
	queue.AfterCommit(tx, func() {
		s.Notifier.Notify(t.Ref, t.ID, sequence)

		if to == generation.StatusStoring || to.Terminal() {
			s.WantAdmission() // a slot is free
		}

		s.metrics.countChange(was, to, t.Model, code, t.CreatedAt, now)

		if to.Terminal() {
			s.Log.Info("generation ended", generation.LogID(t.ID), slog.String("support_code", t.SupportCode),
				slog.String("status", string(to)), slog.String("code", string(code)), slog.String("model", t.Model))
		}
	})

	return nil
}

// settleEnd does what is due when a task has just ended: of its images none is to come, and credits that it did not
// use return. One that was deleted before it ended is erased now.
func (s *Tasks) settleEnd(ctx context.Context, tx pgx.Tx, t *Task, why generation.FailureCode) error {
	if err := s.db.ImageAbandon(ctx, tx, db.ImageAbandonParams{TaskID: t.ID, FailureCode: postgres.TextOrNil(string(why))}); err != nil {
		return fmt.Errorf("settle images of %s: %w", t.ID, err)
	}

	if t.DeletedAt != nil {
		if err := s.Stage(ctx, tx, jobs.EraseGeneration{TaskID: t.ID}, t.ID, 0); err != nil {
			return err
		}
	}

	return s.releaseRest(ctx, tx, t)
}

// recordOwnEvent is [record] with the service's queries.
func (s *Tasks) recordOwnEvent(ctx context.Context, tx pgx.Tx, e db.EventInsertParams) error {
	return RecordEvent(ctx, s.db, tx, e)
}

// RecordEvent writes an event, with its number among all of its user's. From here to the commit, other
// changes of the same user wait.
func RecordEvent(ctx context.Context, q *db.Queries, tx pgx.Tx, e db.EventInsertParams) error {
	n, err := q.EventInsert(ctx, tx, e)
	if err == nil && n != 1 {
		err = fmt.Errorf("user %s is not known", e.UserID)
	}

	return fault.Wrap(err, "insert event of "+e.TaskID.String())
}

// endAndCallOff moves a locked task to a terminal status that did not come from its provider: open
// attempts are called off there.
func (s *Tasks) endAndCallOff(ctx context.Context, tx pgx.Tx, t *Task, to generation.Status, code generation.FailureCode) error {
	if err := s.Change(ctx, tx, t, to, code, nil); err != nil {
		return err
	}

	open, err := s.db.AttemptOpen(ctx, tx, t.ID)
	if err != nil {
		return fmt.Errorf("list open attempts of %s: %w", t.ID, err)
	}

	for _, id := range open {
		if err := s.Stage(ctx, tx, jobs.CancelAttempt{AttemptID: id}, id, 0); err != nil {
			return err
		}
	}

	return nil
}

// IsFinished reports whether err is [ErrFinished].
func IsFinished(err error) bool { return errors.Is(err, ErrFinished) }

// IgnoreFinished turns "it is over already" into success: the job has nothing left to do.
func IgnoreFinished(err error) error {
	if IsFinished(err) || postgres.IsNotFound(err) {
		return nil
	}

	return err
}
