package generation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/queue"
)

// errOver says that the task is already in a terminal status, so the change is moot.
var errOver = errors.New("generation is over")

// errNotLocked says that a row changed although it should have been locked.
var errNotLocked = errors.New("the row lock was not held")

// task is a locked row, ready to be changed in its transaction.
type task struct {
	db.AiTask

	ref     string      // the user's
	delayed bool        // its delay is that of the status to come
	missing FailureCode // why images that are still to come at its end did not; empty: as it ends
}

// status is the row's.
func (t *task) status() Status { return Status(t.AiTask.Status) }

// lock begins a change: whoever holds the row decides. Unknown ids give pgx.ErrNoRows.
func (s *Service) lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*task, error) {
	row, err := s.db.TaskLock(ctx, tx, id)
	if err != nil {
		return nil, fmt.Errorf("lock generation %s: %w", id, err)
	}

	return &task{AiTask: row.AiTask, ref: row.Ref}, nil
}

// change moves a locked task to a status: compare-and-set on the sequence, event, the jobs that
// the change causes, and after the commit the notification. Who served the task, how far its provider is and whether it is to stop
// and what it waits for are written with it, as they are in t: each write of a row costs as much as the next. What it waited
// for in another status is over. image is the index of an image
// that was stored, or nil. In a terminal status it returns errOver and does nothing.
func (s *Service) change(ctx context.Context, tx pgx.Tx, t *task, to Status, code FailureCode, image *int16) error {
	if t.status().Terminal() {
		return errOver
	}

	now := s.Now()

	if to != t.status() && !t.delayed {
		t.setDelay("", now, 0)
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
	if notFound(err) {
		err = errNotLocked
	}

	if err != nil {
		return fmt.Errorf("set status of %s: %w", t.ID, err)
	}

	was := t.status()
	t.StatusSequence = sequence
	t.AiTask.Status, t.FinishedAt = string(to), set.FinishedAt

	event := db.EventInsertParams{
		TaskID: t.ID, UserID: t.UserID, Sequence: t.StatusSequence, Status: string(to), ImageIndex: image, At: now,
		Canceling: t.CancelRequested && !to.Terminal(),
	}
	if err := s.record(ctx, tx, event); err != nil {
		return err
	}

	if to.Terminal() {
		if err := s.settleEnd(ctx, tx, t, cmp.Or(t.missing, code)); err != nil {
			return err
		}
	}

	// Where the transaction does not tell of its commit, the sweeps find the change within seconds.
	queue.AfterCommit(tx, func() {
		s.Notifier.Notify(t.ref, t.ID, sequence)

		if to == StatusStoring || to.Terminal() {
			s.WantAdmission() // a slot is free
		}

		s.metrics.changed(was, to, t.Model, code, t.CreatedAt, now)

		if to.Terminal() {
			s.Log.Info("generation ended", generationID(t.ID), slog.String("support_code", t.SupportCode),
				slog.String("status", string(to)), slog.String("code", string(code)), slog.String("model", t.Model))
		}
	})

	return nil
}

// settleEnd does what is due when a task has just ended: of its images none is to come, and credits that it did not
// use return. One that was deleted before it ended is erased now.
func (s *Service) settleEnd(ctx context.Context, tx pgx.Tx, t *task, why FailureCode) error {
	if err := s.db.ImageAbandon(ctx, tx, db.ImageAbandonParams{TaskID: t.ID, FailureCode: textOrNil(string(why))}); err != nil {
		return fmt.Errorf("settle images of %s: %w", t.ID, err)
	}

	if t.DeletedAt != nil {
		if err := s.stage(ctx, tx, jobs.EraseGeneration{TaskID: t.ID}, t.ID, 0); err != nil {
			return err
		}
	}

	return s.release(ctx, tx, t)
}

// record is [record] with the service's queries.
func (s *Service) record(ctx context.Context, tx pgx.Tx, e db.EventInsertParams) error {
	return record(ctx, s.db, tx, e)
}

// record writes an event, with its number among all of its user's. From here to the commit, other
// changes of the same user wait.
func record(ctx context.Context, q *db.Queries, tx pgx.Tx, e db.EventInsertParams) error {
	n, err := q.EventInsert(ctx, tx, e)
	if err == nil && n != 1 {
		err = fmt.Errorf("user %s is not known", e.UserID)
	}

	return wrap(err, "insert event of "+e.TaskID.String())
}

// end moves a locked task to a terminal status that did not come from its provider: open
// attempts are called off there.
func (s *Service) end(ctx context.Context, tx pgx.Tx, t *task, to Status, code FailureCode) error {
	if err := s.change(ctx, tx, t, to, code, nil); err != nil {
		return err
	}

	open, err := s.db.AttemptOpen(ctx, tx, t.ID)
	if err != nil {
		return fmt.Errorf("list open attempts of %s: %w", t.ID, err)
	}

	for _, id := range open {
		if err := s.stage(ctx, tx, jobs.CancelAttempt{AttemptID: id}, id, 0); err != nil {
			return err
		}
	}

	return nil
}

func over(err error) bool { return errors.Is(err, errOver) }

// moot turns "it is over already" into success: the job has nothing left to do.
func moot(err error) error {
	if over(err) || notFound(err) {
		return nil
	}

	return err
}
