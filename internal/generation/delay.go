package generation

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// DelayReason says what a generation waits for that is not its turn.
type DelayReason string

// The reasons. The list is closed.
const (
	DelayModelFailing        DelayReason = "model_failing"        // its models keep failing: one is tried now and then
	DelayProviderBusy        DelayReason = "provider_busy"        // the provider has no room
	DelayProviderUnavailable DelayReason = "provider_unavailable" // the provider refuses our account, which operators see to
	DelayProviderUnreachable DelayReason = "provider_unreachable" // the provider has it, and cannot be asked how far it is
	DelayConfirming          DelayReason = "confirming"           // the provider did not answer: whether it has the request is being found out
	DelayRetrying            DelayReason = "retrying"             // the provider failed, and is asked again
	DelayStoring             DelayReason = "storing_again"        // a picture could not be fetched or kept, and is fetched again
)

// DelayReasons lists every reason.
func DelayReasons() []DelayReason {
	return []DelayReason{
		DelayModelFailing, DelayProviderBusy, DelayProviderUnavailable, DelayProviderUnreachable,
		DelayConfirming, DelayRetrying, DelayStoring,
	}
}

// Delay is what a generation waits for.
type Delay struct {
	Reason DelayReason
	Since  time.Time
	Next   *time.Time // when it is tried again; nil: that is not known
}

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

// delayWaiting says of those that have no turn that they wait for models which nobody may try now.
func (s *Service) delayWaiting(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*Generation) error {
	open, err := s.models.opened(ctx, s.Pool)
	if err != nil || len(open) == 0 {
		return err
	}

	for _, t := range tasks {
		g := at[t.ID]
		if g.Status != StatusQueued || g.AdmittedAt != nil || g.Delay != nil {
			continue
		}

		for i, model := range append([]string{g.Model}, g.Parameters.FallbackModels...) {
			row, ok := open[model]
			if !ok {
				g.Delay = nil // this one may be tried

				break
			}

			left := max(0, s.models.left(row))
			if next := s.Now().Add(left); i == 0 || next.Before(*g.Delay.Next) {
				g.Delay = &Delay{Reason: DelayModelFailing, Since: *row.OpenedAt, Next: &next}
			}
		}
	}

	return nil
}
