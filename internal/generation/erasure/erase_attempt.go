package erasure

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/attempt"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// attemptEraser deletes what the provider keeps of an attempt that is over.
type attemptEraser struct{ *Erasure }

// Handle deletes payloads and output files at the provider. Doing it again is harmless.
func (h attemptEraser) Handle(ctx context.Context, job *queue.Job[jobs.EraseAttempt]) error {
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)

	switch {
	case postgres.IsNotFound(err):
		return h.eraseRemembered(ctx, job.Args.AttemptID)
	case err != nil:
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	case a.RequestID == nil || a.ErasedAt != nil:
		return nil
	}

	queue.About(ctx, generation.LogID(a.TaskID))

	return h.eraseAttempt(ctx, a)
}

// eraseRemembered deletes what the provider keeps of an attempt whose generation is erased. With it the last that is
// known of the attempt goes.
func (h attemptEraser) eraseRemembered(ctx context.Context, id uuid.UUID) error {
	a, err := h.db.AttemptTombstoneGet(ctx, h.Pool, id)

	switch {
	case postgres.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read tombstone of attempt %s: %w", id, err)
	case a.RequestID == nil:
		return nil
	}

	k := providers.Ticket{Endpoint: a.Endpoint, RequestID: *a.RequestID}
	if err := h.callOffLate(ctx, k, a.ForgetAt); err != nil {
		return err
	}

	if err := h.eraseRequest(ctx, k.RequestID); err != nil {
		return err
	}

	return fault.Wrap(h.db.AttemptTombstoneDelete(ctx, h.Pool, db.AttemptTombstoneDeleteParams{ID: id, Now: h.Now()}), "delete tombstone of attempt "+id.String())
}

// eraseAttempt deletes what the provider keeps of an attempt whose request is known.
func (s *Erasure) eraseAttempt(ctx context.Context, a db.ProviderAttempt) error {
	if a.State == "abandoned" && a.ErrorCode != nil { // given up for lost: no cancel job has seen to it
		if err := s.callOffLate(ctx, attempt.TicketOf(a), s.Attempts.ForgottenAt(a)); err != nil {
			return err
		}
	}

	if err := s.eraseRequest(ctx, *a.RequestID); err != nil {
		return err
	}

	now := s.Now()

	return fault.Wrap(s.db.AttemptErased(ctx, s.Pool, db.AttemptErasedParams{ID: a.ID, At: &now}), "mark attempt erased")
}

// callOffLate has a request stop that became known when its attempt was over: what runs would make its copy after
// the erasure. It snoozes until the request has stopped, or until nothing can come of it any more.
func (s *Erasure) callOffLate(ctx context.Context, k providers.Ticket, forgottenAt time.Time) error {
	if !s.Now().Before(forgottenAt) {
		return nil
	}

	outcome, err := s.Provider.Cancel(ctx, k)
	s.Tasks.CountCall("cancel", err)

	if err == nil && outcome == providers.CancelRequested {
		err = queue.Snooze(5 * time.Second)
	}

	return err
}

func (s *Erasure) eraseRequest(ctx context.Context, id string) error {
	err := s.Provider.Erase(ctx, id)
	s.Tasks.CountCall("erase", err)

	return err
}
