package task

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// SetDelay says what a task waits for; the next change writes it. Empty: nothing. Zero wait: it is not known for how long.
func (t *Task) SetDelay(reason generation.DelayReason, now time.Time, wait time.Duration) {
	if reason == "" {
		t.DelayReason, t.DelaySince, t.DelayNext = nil, nil, nil

		return
	}

	if postgres.TextOrEmpty(t.DelayReason) != string(reason) {
		t.DelaySince = &now
	}

	t.DelayReason, t.DelayNext = new(string(reason)), nil
	if wait > 0 {
		t.DelayNext = new(now.Add(wait))
	}
}

// RecordDelay tells the user of a generation what it waits for. A reason that goes on is no event. Not to be able to say so
// delays nothing.
func (s *Tasks) RecordDelay(ctx context.Context, id uuid.UUID, reason generation.DelayReason, wait time.Duration) {
	err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		t, err := s.Lock(ctx, tx, id)
		if err != nil || t.State().Terminal() {
			return IgnoreFinished(err)
		}

		known := postgres.TextOrEmpty(t.DelayReason) == string(reason)
		if known && t.DelayNext == nil && wait == 0 {
			return nil
		}

		t.SetDelay(reason, s.Now(), wait)

		if known {
			return fault.Wrap(s.db.TaskDelayNext(ctx, tx, db.TaskDelayNextParams{ID: t.ID, DelayNext: t.DelayNext}), "set next try of "+id.String())
		}

		return s.Change(ctx, tx, t, t.State(), "", nil)
	})
	if err != nil {
		s.Log.Warn("delay was not recorded", generation.LogID(id), slog.Any("error", err))
	}
}

// delayOf is what the row says that a task waits for; nil: nothing.
func delayOf(t db.AiTask) *generation.Delay {
	if t.DelayReason == nil || t.DelaySince == nil || generation.Status(t.Status).Terminal() {
		return nil
	}

	return &generation.Delay{Reason: generation.DelayReason(*t.DelayReason), Since: *t.DelaySince, Next: t.DelayNext}
}

// Restart has a generation handed over again, after a while. How far it was stays what its user is told, until it is further.
func (s *Tasks) Restart(ctx context.Context, tx pgx.Tx, t *Task, wait time.Duration) error {
	t.ProviderPosition = nil
	t.delayed = true
	t.SetDelay(generation.DelayRetrying, s.Now(), wait)

	return s.Change(ctx, tx, t, generation.StatusSubmitting, "", nil)
}
