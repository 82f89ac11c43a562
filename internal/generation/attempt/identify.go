package attempt

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// lockAttempt begins a change of an attempt: its task is locked, and then its own row. pgx.ErrNoRows: they are
// gone, as are those of everything that is erased.
func (s *Attempts) lockAttempt(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*task.Task, db.ProviderAttempt, error) {
	a, err := s.db.AttemptGet(ctx, tx, id)
	if err != nil {
		return nil, a, fmt.Errorf("read attempt %s: %w", id, err)
	}

	t, err := s.Tasks.Lock(ctx, tx, a.TaskID)
	if err != nil {
		return nil, a, err
	}

	a, err = s.db.AttemptLock(ctx, tx, id)

	return t, a, fault.Wrap(err, "lock attempt "+id.String())
}

// lockIdentified locks an attempt of which the provider's request has become known, from whichever source. Late: the
// attempt had been given up, or its generation erased, so that what it makes is not wanted. Then the transaction has
// the provider's copy erased, and is to be committed as it is. pgx.ErrNoRows: there never was such an attempt, or
// the provider can have nothing of it any more.
func (s *Attempts) lockIdentified(ctx context.Context, tx pgx.Tx, id uuid.UUID, request string) (t *task.Task, a db.ProviderAttempt, late bool, err error) {
	t, a, err = s.lockAttempt(ctx, tx, id)

	switch {
	case postgres.IsNotFound(err):
		n, failed := s.db.AttemptTombstoneLate(ctx, tx, db.AttemptTombstoneLateParams{ID: id, RequestID: &request})
		if failed != nil {
			return nil, a, false, fmt.Errorf("identify attempt %s of an erased generation: %w", id, failed)
		} else if n == 0 {
			return nil, a, false, err
		}
	case err != nil || a.FinishedAt == nil || a.RequestID != nil:
		return t, a, false, err
	default:
		n, err := s.db.AttemptLate(ctx, tx, db.AttemptLateParams{ID: id, RequestID: &request})
		if err != nil || n == 0 { // another attempt was found to be this request, and sees to it
			return t, a, err == nil, fault.Wrap(err, "identify late attempt "+id.String())
		}

		if err := s.Tasks.RecordCost(ctx, tx, "", id); err != nil {
			return nil, a, false, err
		}
	}

	return t, a, true, s.Tasks.Stage(ctx, tx, jobs.EraseAttempt{AttemptID: id}, id, 0)
}

// recordRequest commits the provider's request id of an open attempt that is locked, from whichever source it came
// first: the reply, a callback or a search. The collector's first look is after the given time, but at once where it
// is to have the request stopped.
func (s *Attempts) recordRequest(ctx context.Context, tx pgx.Tx, t *task.Task, a db.ProviderAttempt, k providers.Ticket, first time.Duration) error {
	if err := s.markSubmitted(ctx, tx, a, k); err != nil {
		return err
	}

	if t.State().Terminal() {
		args := jobs.CancelAttempt{AttemptID: a.ID}
		if err := s.Tasks.Stage(ctx, tx, args, a.ID, 0); err != nil {
			return err
		}

		return s.Tasks.Wake(ctx, tx, args.Kind(), a.ID) // it may be waiting for the id
	}

	if t.State() == generation.StatusSubmitting {
		if err := s.Tasks.Change(ctx, tx, t, generation.StatusRunning, "", nil); err != nil {
			return err
		}
	}

	if t.CancelRequested {
		first = 0
	}

	return s.Tasks.Stage(ctx, tx, jobs.CollectGeneration{AttemptID: a.ID}, a.ID, first)
}

// markSubmitted writes down what an open attempt that is locked became.
func (s *Attempts) markSubmitted(ctx context.Context, tx pgx.Tx, a db.ProviderAttempt, k providers.Ticket) error {
	now := s.Now()

	n, err := s.db.AttemptSubmitted(ctx, tx, db.AttemptSubmittedParams{
		ID: a.ID, RequestID: &k.RequestID, At: &now,
		StatusUrl: postgres.TextOrNil(k.StatusURL), ResponseUrl: postgres.TextOrNil(k.ResponseURL), CancelUrl: postgres.TextOrNil(k.CancelURL),
	})

	return fault.Wrap(changedOne(n, err), "mark attempt "+a.ID.String()+" submitted")
}

// changedOne makes an error of a statement that should have changed a locked row and found none to change.
func changedOne(n int64, err error) error {
	if err == nil && n != 1 {
		return task.ErrNotLocked
	}

	return err
}
