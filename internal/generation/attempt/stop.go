package attempt

import (
	"context"
	"log/slog"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// isToStop reports whether an attempt is to be called off: its user or an operator asked for it, and nothing says that it has finished.
func isToStop(t db.AiTask, a db.ProviderAttempt) bool {
	return t.CancelRequested && generation.Status(t.Status) != generation.StatusStoring && a.Callback == nil
}

// requestStop asks the provider to stop, at each look, since it is not known whether it heard the last time. True: it never began.
// In every other case the look that follows tells what became of it.
func (h collector) requestStop(ctx context.Context, a db.ProviderAttempt) bool {
	outcome, err := h.Provider.Cancel(ctx, TicketOf(a))
	h.Tasks.CountCall("cancel", err)

	if err != nil {
		h.Log.Debug("provider could not be asked to stop", generation.LogID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))
	}

	return err == nil && outcome == providers.CancelRemoved
}

// endStopped ends an attempt that its provider never began, and the generation with it.
func (h collector) endStopped(ctx context.Context, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, _, err := h.lockAttempt(ctx, tx, a.ID)
		if err != nil {
			return task.IgnoreFinished(err)
		}

		if err := h.EndAttempt(ctx, tx, a.ID, "abandoned", "", nil); err != nil {
			return err
		}

		if err := task.IgnoreFinished(h.Tasks.Fail(ctx, tx, t, t.CancelCode())); err != nil {
			return err
		}

		return h.finishJob(ctx, tx, job, a.ID)
	})
}
