package generation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// attempt returns the open attempt of the task, or makes one. An open attempt that this run did
// not make was left by a crash: its call may have happened. A task for which none can be made is
// ended instead.
func (h submitter) attempt(ctx context.Context, tx pgx.Tx, t *task) (a db.ProviderAttempt, fresh bool, err error) {
	if t.status().Terminal() {
		return a, false, errOver
	}

	before, err := h.db.AttemptList(ctx, tx, t.ID)
	if err != nil {
		return a, false, fmt.Errorf("list attempts of %s: %w", t.ID, err)
	}

	if n := len(before); n > 0 && before[n-1].FinishedAt == nil {
		a, now := before[n-1], h.Now()

		return a, false, wrap(h.db.AttemptUnknown(ctx, tx, db.AttemptUnknownParams{ID: a.ID, At: &now}), "mark attempt unknown")
	}

	if t.CancelRequested { // the release before, which knows of no such request, has given its attempt up
		return a, false, h.conclude(ctx, tx, t, t.cancelCode())
	}

	if !h.Now().Before(t.DeadlineAt) { // the sweep of the deadlines is late
		return a, false, h.conclude(ctx, tx, t, FailureDeadline)
	}

	model, endpoint, wait, err := h.choose(ctx, tx, t, before)

	switch {
	case err != nil:
		return a, false, err
	case wait > 0 && t.status() == StatusQueued:
		return a, false, h.putBack(ctx, tx, t)
	case wait > 0:
		return a, false, &modelWaitError{clock.Jitter(wait, 0.2)}
	}

	if model == "" { // the catalogue lost it while the task waited
		return a, false, h.conclude(ctx, tx, t, FailureInvalidRequest)
	}

	if t.status() == StatusQueued {
		if err := h.change(ctx, tx, t, StatusSubmitting, "", nil); err != nil {
			return a, false, err
		}
	}

	a, err = h.db.AttemptInsert(ctx, tx, db.AttemptInsertParams{
		ID: uuid.New(), TaskID: t.ID, Model: &model, Endpoint: endpoint, CreatedAt: h.Now(),
	})

	return a, true, wrap(err, "insert attempt")
}

// modelWaitError says that every model that may serve a task is failing, and when one is tried again.
type modelWaitError struct{ left time.Duration }

func (w *modelWaitError) Error() string { return "models that may serve it keep failing" }

// choose finds the model for the next attempt: the one that was asked for, or one that its user
// allows instead when that one is failing. It returns how long to wait where all of them are, and
// no model where the catalogue has lost them.
func (h submitter) choose(ctx context.Context, tx pgx.Tx, t *task, before []db.ProviderAttempt) (model, endpoint string, least time.Duration, err error) {
	p, err := parametersOf(t.AiTask)
	if err != nil {
		return "", "", 0, err
	}

	tried := map[string]int{}
	for _, a := range before {
		if code := orEmpty(a.ErrorCode); code != "" && code != codeNoRoom && code != codeAccount {
			tried[modelOf(t.AiTask, a)]++
		}
	}

	models := append([]string{t.Model}, p.FallbackModels...)
	slices.SortStableFunc(models, func(a, b string) int { return tried[a]/attemptsOfModel - tried[b]/attemptsOfModel })

	for _, id := range models {
		m, _ := h.Catalogue.Find(id)

		endpoint, ok := m.Endpoint(p)
		if !ok {
			continue
		}

		wait, err := h.models.wait(ctx, tx, id)
		if err != nil || wait == 0 {
			return id, endpoint, 0, err
		}

		if least == 0 || wait < least {
			least = wait
		}
	}

	return "", "", least, nil
}

// putBack gives the slot of a task that nobody may serve now to others.
func (h submitter) putBack(ctx context.Context, tx pgx.Tx, t *task) error {
	if err := h.db.AdmissionReturn(ctx, tx, t.ID); err != nil {
		return fmt.Errorf("put %s back: %w", t.ID, err)
	}

	t.AdmittedAt = nil
	queue.AfterCommit(tx, h.WantAdmission)

	return nil
}

// abandon ends an attempt whose call did not happen, and with it a generation that is to stop. False: it is over
// already, or it did happen after all, since the provider's request has become known meanwhile.
func (s *Service) abandon(ctx context.Context, a db.ProviderAttempt, cause error) (closed bool, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		closed = false

		t, _, err := s.lockAttempt(ctx, tx, a.ID)
		if err != nil {
			return moot(err)
		}

		now := s.Now()

		n, err := s.db.AttemptAbandon(ctx, tx, db.AttemptAbandonParams{ID: a.ID, ErrorCode: textOrNil(codeOf(cause)), At: &now})
		if closed = n == 1; err != nil || !closed || !t.CancelRequested {
			return err
		}

		return moot(s.fail(ctx, tx, t, t.cancelCode()))
	})

	return closed, wrap(err, "abandon attempt "+a.ID.String())
}

// endAttempt ends an attempt, and writes down what is known of its cost: units are what the provider said that it will bill;
// empty: it did not say.
func (s *Service) endAttempt(ctx context.Context, tx pgx.Tx, id uuid.UUID, state, units string, cause error) error {
	now := s.Now()

	err := s.db.AttemptEnd(ctx, tx, db.AttemptEndParams{ID: id, State: state, ErrorCode: textOrNil(codeOf(cause)), At: &now})
	if err != nil {
		return fmt.Errorf("end attempt %s: %w", id, err)
	}

	return s.recordCost(ctx, tx, units, id)
}
