package generation

import (
	"context"
	"log/slog"

	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// isToStop reports whether an attempt is to be called off: its user or an operator asked for it, and nothing says that it has finished.
func isToStop(t db.AiTask, a db.ProviderAttempt) bool {
	return t.CancelRequested && Status(t.Status) != StatusStoring && a.Callback == nil
}

// requestStop asks the provider to stop, at each look, since nobody knows whether it heard the last time. True: it never began.
// In every other case the look that follows tells what became of it.
func (h collector) requestStop(ctx context.Context, a db.ProviderAttempt) bool {
	outcome, err := h.Provider.Cancel(ctx, ticketOf(a))
	h.metrics.call("cancel", err)

	if err != nil {
		h.Log.Debug("provider could not be asked to stop", generationID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))
	}

	return err == nil && outcome == providers.CancelRemoved
}

// endStopped ends an attempt that its provider never began, and the generation with it.
func (h collector) endStopped(ctx context.Context, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, _, err := h.lockAttempt(ctx, tx, a.ID)
		if err != nil {
			return moot(err)
		}

		if err := h.endAttempt(ctx, tx, a.ID, "abandoned", "", nil); err != nil {
			return err
		}

		if err := moot(h.fail(ctx, tx, t, t.cancelCode())); err != nil {
			return err
		}

		return h.finish(ctx, tx, job, a.ID)
	})
}
