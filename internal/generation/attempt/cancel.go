package attempt

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// canceler calls an attempt off whose generation has ended, and waits until nothing can come of it.
type canceler struct{ *Attempts }

// Handle asks the provider to stop. A request that was running may still finish, so it is asked
// until it has, or until nothing can come of it any more; then what it made is deleted there.
func (h canceler) Handle(ctx context.Context, job *queue.Job[jobs.CancelAttempt]) error {
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)
	if postgres.IsNotFound(err) || (err == nil && a.FinishedAt != nil) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	}

	if a.RequestID == nil {
		known, err := h.identifyRequest(ctx, &a)
		if err != nil || !known {
			return err
		}
	}

	queue.About(ctx, generation.LogID(a.TaskID))

	outcome, err := h.Provider.Cancel(ctx, TicketOf(a))
	h.Tasks.CountCall("cancel", err)

	switch {
	case err != nil:
		return err
	case outcome == providers.CancelRequested && h.Now().Before(h.ForgottenAt(a)):
		return job.Snooze()
	}

	return h.closeAttempt(ctx, job, a)
}

// identifyRequest finds the request of an attempt that ended before its submit was answered. False
// without error: the provider has none, and the attempt is closed.
func (h canceler) identifyRequest(ctx context.Context, a *db.ProviderAttempt) (known bool, err error) {
	if left := a.CreatedAt.Add(h.Options.UnknownWait).Sub(h.Now()); left > 0 {
		return false, queue.Snooze(left)
	}

	row, err := h.db.TaskPeek(ctx, h.Pool, a.TaskID)
	if err != nil {
		return false, fmt.Errorf("read generation %s: %w", a.TaskID, err)
	}

	request, running, err := h.findRequest(ctx, row.AiTask, *a)

	switch {
	case err != nil:
		return false, err
	case request != "":
		return h.commitFound(ctx, a, request)
	case running && h.Now().Before(h.ForgottenAt(*a)):
		return false, queue.Snooze(5 * time.Second)
	}

	closed, err := h.abandonAttempt(ctx, *a, &providers.Error{Class: providers.Unknown, Code: "submit_lost"})
	if err == nil && !closed {
		err = queue.Snooze(0) // it has just become known
	}

	return false, err
}

// commitFound commits which request an attempt was found to be. False: it is over already, and another job sees to
// what it made.
func (h canceler) commitFound(ctx context.Context, a *db.ProviderAttempt, request string) (known bool, err error) {
	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		_, now, late, err := h.lockIdentified(ctx, tx, a.ID, request)
		if known = err == nil && !late && now.FinishedAt == nil; !known {
			return task.IgnoreFinished(err)
		}

		if now.RequestID == nil {
			now.RequestID = &request
		}

		*a = now

		return h.markSubmitted(ctx, tx, now, TicketOf(now))
	})

	return known, err
}

// closeAttempt ends the attempt, removes what a collector may have put without committing it, and has
// the provider's copy deleted.
func (h canceler) closeAttempt(ctx context.Context, job *queue.Job[jobs.CancelAttempt], a db.ProviderAttempt) error {
	if err := h.dropUnstored(ctx, a.TaskID); err != nil {
		return err
	}

	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if _, _, err := h.lockAttempt(ctx, tx, a.ID); err != nil {
			return task.IgnoreFinished(err)
		}

		if err := h.EndAttempt(ctx, tx, a.ID, "abandoned", "", nil); err != nil {
			return err
		}

		if err := h.Tasks.Stage(ctx, tx, jobs.EraseAttempt{AttemptID: a.ID}, a.ID, 0); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// dropUnstored deletes the objects of a terminal task's images that were not committed as stored.
func (s *Attempts) dropUnstored(ctx context.Context, task uuid.UUID) error {
	images, err := s.db.ImageList(ctx, s.Pool, []uuid.UUID{task})
	if err != nil {
		return fmt.Errorf("list images of %s: %w", task, err)
	}

	var keys []string

	for _, img := range images {
		if generation.ImageStatus(img.Status) != generation.ImageStored {
			keys = append(keys, img.Key, img.ThumbnailKey)
		}
	}

	if len(keys) == 0 {
		return nil
	}

	return fault.Wrap(s.Bucket.Delete(ctx, keys...), "delete unwanted objects of "+task.String())
}
