package attempt

import (
	"context"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// progressStep is the least progress that is news.
const progressStep = 0.05

// progressPause is the least time from a change of a generation to news of its progress: a provider
// whose numbers go up and down is no reason to write, and to tell everybody, at each look.
const progressPause = time.Second

// recordProgress records what the provider said of a request that is not over, when it is news.
func (h collector) recordProgress(ctx context.Context, seen db.AiTask, st providers.Status) error {
	if !isNews(seen, st) {
		return nil
	}

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.Tasks.Lock(ctx, tx, seen.ID)
		if err != nil {
			return err
		}

		if t.State() != generation.StatusRunning || !isNews(t.AiTask, st) {
			return nil
		}

		if !hasBegun(t.AiTask, st) {
			latest, err := h.db.EventLatest(ctx, tx, t.ID)
			if err != nil || h.Now().Sub(latest) < progressPause { // a later look has it, if it is so still
				return fault.Wrap(err, "read the latest event of "+t.ID.String())
			}
		}

		setProgress(t, st)

		return h.Tasks.Change(ctx, tx, t, generation.StatusRunning, "", nil)
	})

	return task.IgnoreFinished(err)
}

// setProgress says how far the provider is; the next change of the task writes it. It never goes back.
func setProgress(t *task.Task, st providers.Status) {
	t.ProviderPosition = nil

	if st.QueuePosition != nil {
		t.ProviderPosition = new(int32(*st.QueuePosition)) //nolint:gosec // a place in line
	}

	if st.Progress != nil && (t.Progress == nil || float32(*st.Progress) > *t.Progress) {
		t.Progress = new(float32(*st.Progress))
	}
}

// isNews reports whether the status says something that its user does not know. Progress only
// rises: a provider that starts over has nothing to tell until it is further than before.
func isNews(t db.AiTask, st providers.Status) bool {
	switch {
	case st.QueuePosition != nil:
		return t.Progress == nil && (t.ProviderPosition == nil || int(*t.ProviderPosition) != *st.QueuePosition)
	case st.Progress != nil:
		return t.Progress == nil || *st.Progress >= float64(*t.Progress)+progressStep
	default:
		return t.ProviderPosition != nil && t.Progress == nil // it has started
	}
}

// hasBegun reports whether the status says that the provider has begun, which its user does not know.
func hasBegun(t db.AiTask, st providers.Status) bool {
	return st.QueuePosition == nil && t.Progress == nil
}

// nextPoll is the time to the next look.
func (h collector) nextPoll(ctx context.Context, t db.AiTask, a db.ProviderAttempt) time.Duration {
	switch {
	case t.CancelRequested:
		return h.Options.PollEvery // its user waits for the slot, and there may be no callback of what was stopped
	case a.CallbackAt != nil:
		return time.Second // it has finished: the result is about to be there
	case h.Options.CallbackURL == "" || h.Watches.Watched(ctx, a.TaskID):
		return h.Options.PollEvery
	default:
		return h.Options.CollectEvery
	}
}
