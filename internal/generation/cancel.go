package generation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// Cancel ends the user's generation at once where its provider has not begun. One that it may have begun is asked to stop, and
// what the provider does then decides: of what it stops nothing is kept or paid for, what it finishes is stored and paid for as ever.
// At the deadline it ends whatever the provider says. Canceling what was canceled changes nothing. Errors: [ErrNotFound], [ErrDeleted],
// [ErrNotCancelable].
func (s *Service) Cancel(ctx context.Context, userID, id uuid.UUID) (Generation, error) {
	if _, err := s.cancel(ctx, userID, id, false); err != nil {
		return Generation{}, err
	}

	return s.Get(ctx, userID, id)
}

// errHasTurn says that a generation does not wait any more.
var errHasTurn = errors.New("generation has got its turn")

// cancel cancels one and returns its row. With waiting, one that has got its turn is left alone: errHasTurn.
func (s *Service) cancel(ctx context.Context, userID, id uuid.UUID, waiting bool) (t *task, err error) {
	if _, err := s.visible(ctx, userID, id); err != nil {
		return nil, err
	}

	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err = s.lock(ctx, tx, id)

		switch {
		case notFound(err) || err == nil && t.DeletedAt != nil:
			return ErrDeleted // since the look above
		case err != nil:
			return err
		case waiting && t.AdmittedAt != nil:
			return errHasTurn
		}

		err = s.requestCancel(ctx, tx, t, FailureCanceledByUser)
		if over(err) && t.status() != StatusCanceled {
			return s.tooLate(ctx, tx, id)
		}

		return moot(err)
	})

	return t, err
}

// requestCancel ends a locked task, or has its collector ask the provider to stop. An attempt that is open may have been sent,
// so its provider may work for us: until it says that it does not, the task keeps its slot and its hold. The code says who asks;
// the first who did is who canceled it.
func (s *Service) requestCancel(ctx context.Context, tx pgx.Tx, t *task, who FailureCode) error {
	if t.status().Terminal() {
		return errOver
	}

	open, err := s.db.AttemptOpen(ctx, tx, t.ID)

	switch {
	case err != nil:
		return fmt.Errorf("list open attempts of %s: %w", t.ID, err)
	case len(open) == 0:
		return s.change(ctx, tx, t, StatusCanceled, who, nil)
	case t.CancelRequested:
		return nil
	}

	t.CancelRequested, t.OperatorCancel = true, who == FailureByOperator
	if err := s.change(ctx, tx, t, t.status(), "", nil); err != nil {
		return err
	}

	kind := jobs.CollectGeneration{}.Kind()
	for _, id := range open { // one whose request is not known has no collector yet
		if err := s.Queue.Wake(ctx, tx, kind, jobKey(kind, id)); err != nil {
			return err
		}
	}

	return nil
}

// cancelCode is who asked a task to stop.
func (t *task) cancelCode() FailureCode {
	if t.OperatorCancel {
		return FailureByOperator
	}

	return FailureCanceledByUser
}

// tooLate is [ErrNotCancelable] with what the generation cost.
func (s *Service) tooLate(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return err
	}

	return ErrNotCancelable.WithMore(costs[id].Sentence())
}

// canceler calls an attempt off whose generation has ended, and waits until nothing can come of it.
type canceler struct{ *Service }

// Handle asks the provider to stop. A request that was running may still finish, so it is asked
// until it has, or until nothing can come of it any more; then what it made is deleted there.
func (h canceler) Handle(ctx context.Context, job *queue.Job[jobs.CancelAttempt]) error {
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)
	if notFound(err) || (err == nil && a.FinishedAt != nil) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	}

	if a.RequestID == nil {
		known, err := h.identify(ctx, &a)
		if err != nil || !known {
			return err
		}
	}

	queue.About(ctx, generationID(a.TaskID))

	outcome, err := h.Provider.Cancel(ctx, ticketOf(a))
	h.metrics.call("cancel", err)

	switch {
	case err != nil:
		return err
	case outcome == providers.CancelRequested && h.Now().Before(h.forgottenAt(a)):
		return job.Snooze()
	}

	return h.close(ctx, job, a)
}

// identify finds the request of an attempt that ended before its submit was answered. False
// without error: the provider has none, and the attempt is closed.
func (h canceler) identify(ctx context.Context, a *db.ProviderAttempt) (known bool, err error) {
	if left := a.CreatedAt.Add(h.Options.UnknownWait).Sub(h.Now()); left > 0 {
		return false, queue.Snooze(left)
	}

	row, err := h.db.TaskPeek(ctx, h.Pool, a.TaskID)
	if err != nil {
		return false, fmt.Errorf("read generation %s: %w", a.TaskID, err)
	}

	request, running, err := h.find(ctx, row.AiTask, *a)

	switch {
	case err != nil:
		return false, err
	case request != "":
		return h.commitFound(ctx, a, request)
	case running && h.Now().Before(h.forgottenAt(*a)):
		return false, queue.Snooze(5 * time.Second)
	}

	closed, err := h.abandon(ctx, *a, &providers.Error{Class: providers.Unknown, Code: "submit_lost"})
	if err == nil && !closed {
		err = queue.Snooze(0) // it has just become known
	}

	return false, err
}

// commitFound commits which request an attempt was found to be. False: it is over already, and somebody else sees to
// what it made.
func (h canceler) commitFound(ctx context.Context, a *db.ProviderAttempt, request string) (known bool, err error) {
	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		_, now, late, err := h.lockIdentified(ctx, tx, a.ID, request)
		if known = err == nil && !late && now.FinishedAt == nil; !known {
			return moot(err)
		}

		if now.RequestID == nil {
			now.RequestID = &request
		}

		*a = now

		return h.markSubmitted(ctx, tx, now, ticketOf(now))
	})

	return known, err
}

// close ends the attempt, removes what a collector may have put without committing it, and has
// the provider's copy deleted.
func (h canceler) close(ctx context.Context, job *queue.Job[jobs.CancelAttempt], a db.ProviderAttempt) error {
	if err := h.dropUnstored(ctx, a.TaskID); err != nil {
		return err
	}

	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, _, err := h.lockAttempt(ctx, tx, a.ID); err != nil {
			return moot(err)
		}

		if err := h.endAttempt(ctx, tx, a.ID, "abandoned", "", nil); err != nil {
			return err
		}

		if err := h.stage(ctx, tx, jobs.EraseAttempt{AttemptID: a.ID}, a.ID, 0); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// dropUnstored deletes the objects of a terminal task's images that were not committed as stored.
func (s *Service) dropUnstored(ctx context.Context, task uuid.UUID) error {
	images, err := s.db.ImageList(ctx, s.Pool, []uuid.UUID{task})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", task, err)
	}

	var keys []string

	for _, img := range images {
		if ImageStatus(img.Status) != ImageStored {
			keys = append(keys, img.Key, img.ThumbnailKey)
		}
	}

	if len(keys) == 0 {
		return nil
	}

	return wrap(s.Bucket.Delete(ctx, keys...), "delete unwanted objects of "+task.String())
}
