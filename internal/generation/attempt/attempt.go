package attempt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// openAttempt returns the open attempt of the task, or makes one. An open attempt that this run did
// not make was left by a crash: its call may have happened. A task for which none can be made is
// ended instead.
func (h submitter) openAttempt(ctx context.Context, tx pgx.Tx, t *task.Task) (a db.ProviderAttempt, fresh bool, err error) {
	if t.State().Terminal() {
		return a, false, task.ErrFinished
	}

	before, err := h.db.AttemptList(ctx, tx, t.ID)
	if err != nil {
		return a, false, fmt.Errorf("list attempts of %s: %w", t.ID, err)
	}

	if n := len(before); n > 0 && before[n-1].FinishedAt == nil {
		a, now := before[n-1], h.Now()

		return a, false, fault.Wrap(h.db.AttemptUnknown(ctx, tx, db.AttemptUnknownParams{ID: a.ID, At: &now}), "mark attempt unknown")
	}

	if t.CancelRequested { // the release before, which knows of no such request, has given its attempt up
		return a, false, h.Tasks.Conclude(ctx, tx, t, t.CancelCode())
	}

	if !h.Now().Before(t.DeadlineAt) { // the sweep of the deadlines is late
		return a, false, h.Tasks.Conclude(ctx, tx, t, generation.FailureDeadline)
	}

	model, endpoint, wait, err := h.chooseModel(ctx, tx, t, before)

	switch {
	case err != nil:
		return a, false, err
	case wait > 0 && t.State() == generation.StatusQueued:
		return a, false, h.putBack(ctx, tx, t)
	case wait > 0:
		return a, false, &modelWaitError{clock.Jitter(wait, 0.2)}
	}

	if model == "" { // the catalogue lost it while the task waited
		return a, false, h.Tasks.Conclude(ctx, tx, t, generation.FailureInvalidRequest)
	}

	if t.State() == generation.StatusQueued {
		if err := h.Tasks.Change(ctx, tx, t, generation.StatusSubmitting, "", nil); err != nil {
			return a, false, err
		}
	}

	a, err = h.db.AttemptInsert(ctx, tx, db.AttemptInsertParams{
		ID: uuid.New(), TaskID: t.ID, Model: &model, Endpoint: endpoint, CreatedAt: h.Now(),
	})

	return a, true, fault.Wrap(err, "insert attempt")
}

// modelWaitError says that every model that may serve a task is failing, and when one is tried again.
type modelWaitError struct{ left time.Duration }

func (w *modelWaitError) Error() string { return "models that may serve it keep failing" }

// chooseModel finds the model for the next attempt: the one that was asked for, or one that its user
// allows instead when that one is failing. It returns how long to wait where all of them are, and
// no model where the catalogue has lost them.
func (h submitter) chooseModel(ctx context.Context, tx pgx.Tx, t *task.Task, before []db.ProviderAttempt) (model, endpoint string, least time.Duration, err error) {
	p, err := task.ParametersOf(t.AiTask)
	if err != nil {
		return "", "", 0, err
	}

	tried := map[string]int{}
	for _, a := range before {
		if code := postgres.TextOrEmpty(a.ErrorCode); code != "" && code != codeNoRoom && code != codeAccount {
			tried[task.ModelOf(t.AiTask, a)]++
		}
	}

	models := append([]string{t.Model}, p.FallbackModels...)
	slices.SortStableFunc(models, func(a, b string) int { return tried[a]/maxAttemptsOfModel - tried[b]/maxAttemptsOfModel })

	for _, id := range models {
		m, _ := h.Catalogue.Find(id)

		endpoint, ok := m.Endpoint(p)
		if !ok {
			continue
		}

		wait, err := h.Models.Wait(ctx, tx, id)
		if err != nil || wait == 0 {
			return id, endpoint, 0, err
		}

		if least == 0 || wait < least {
			least = wait
		}
	}

	return "", "", least, nil
}

// putBack gives the slot of a task that no model may serve now to others.
func (h submitter) putBack(ctx context.Context, tx pgx.Tx, t *task.Task) error {
	if err := h.db.AdmissionReturn(ctx, tx, t.ID); err != nil {
		return fmt.Errorf("put %s back: %w", t.ID, err)
	}

	t.AdmittedAt = nil
	queue.AfterCommit(tx, h.Tasks.WantAdmission)

	return nil
}

// abandonAttempt ends an attempt whose call did not happen, and with it a generation that is to stop. False: it is over
// already, or it did happen after all, since the provider's request has become known meanwhile.
func (s *Attempts) abandonAttempt(ctx context.Context, a db.ProviderAttempt, cause error) (closed bool, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		closed = false

		t, _, err := s.lockAttempt(ctx, tx, a.ID)
		if err != nil {
			return task.IgnoreFinished(err)
		}

		now := s.Now()

		n, err := s.db.AttemptAbandon(ctx, tx, db.AttemptAbandonParams{ID: a.ID, ErrorCode: postgres.TextOrNil(codeOf(cause)), At: &now})
		if closed = n == 1; err != nil || !closed || !t.CancelRequested {
			return err
		}

		return task.IgnoreFinished(s.Tasks.Fail(ctx, tx, t, t.CancelCode()))
	})

	return closed, fault.Wrap(err, "abandon attempt "+a.ID.String())
}

// EndAttempt ends an attempt, and writes down what is known of its cost: units are what the provider said that it will bill;
// empty: it did not say.
func (s *Attempts) EndAttempt(ctx context.Context, tx pgx.Tx, id uuid.UUID, state, units string, cause error) error {
	now := s.Now()

	err := s.db.AttemptEnd(ctx, tx, db.AttemptEndParams{ID: id, State: state, ErrorCode: postgres.TextOrNil(codeOf(cause)), At: &now})
	if err != nil {
		return fmt.Errorf("end attempt %s: %w", id, err)
	}

	return s.Tasks.RecordCost(ctx, tx, units, id)
}

// longestRun is more than any model takes from its start to its end.
const longestRun = time.Hour

// ForgottenAt is when the provider has nothing of an attempt any more, whatever became of it: what
// has not begun by the longest deadline it drops, and what it made it keeps no longer than it was
// asked to.
func (s *Attempts) ForgottenAt(a db.ProviderAttempt) time.Time {
	return a.CreatedAt.Add(s.CopyLifetime())
}

// CopyLifetime is how long after its beginning the provider may have something of an attempt.
func (s *Attempts) CopyLifetime() time.Duration {
	return s.Options.MaxDeadline + s.Options.OutputLifetime + longestRun
}
