package generation

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// setDelay says what a task waits for; the next change writes it. Empty: nothing. Zero wait: nobody knows for how long.
func (t *task) setDelay(reason DelayReason, now time.Time, wait time.Duration) {
	if reason == "" {
		t.DelayReason, t.DelaySince, t.DelayNext = nil, nil, nil

		return
	}

	if orEmpty(t.DelayReason) != string(reason) {
		t.DelaySince = &now
	}

	t.DelayReason, t.DelayNext = new(string(reason)), nil
	if wait > 0 {
		t.DelayNext = new(now.Add(wait))
	}
}

// recordDelay tells the user of a generation what it waits for. A reason that goes on is no event. Not to be able to say so
// delays nothing.
func (s *Service) recordDelay(ctx context.Context, id uuid.UUID, reason DelayReason, wait time.Duration) {
	err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err := s.lock(ctx, tx, id)
		if err != nil || t.status().Terminal() {
			return moot(err)
		}

		known := orEmpty(t.DelayReason) == string(reason)
		if known && t.DelayNext == nil && wait == 0 {
			return nil
		}

		t.setDelay(reason, s.Now(), wait)

		if known {
			return wrap(s.db.TaskDelayNext(ctx, tx, db.TaskDelayNextParams{ID: t.ID, DelayNext: t.DelayNext}), "set next try of "+id.String())
		}

		return s.change(ctx, tx, t, t.status(), "", nil)
	})
	if err != nil {
		s.Log.Warn("delay was not recorded", generationID(id), slog.Any("error", err))
	}
}

// delayOf is what the row says that a task waits for; nil: nothing.
func delayOf(t db.AiTask) *Delay {
	if t.DelayReason == nil || t.DelaySince == nil || Status(t.Status).Terminal() {
		return nil
	}

	return &Delay{Reason: DelayReason(*t.DelayReason), Since: *t.DelaySince, Next: t.DelayNext}
}

// restart has a generation handed over again, after a while. How far it was stays what its user is told, until it is further.
func (s *Service) restart(ctx context.Context, tx pgx.Tx, t *task, wait time.Duration) error {
	t.ProviderPosition = nil
	t.delayed = true
	t.setDelay(DelayRetrying, s.Now(), wait)

	return s.change(ctx, tx, t, StatusSubmitting, "", nil)
}
