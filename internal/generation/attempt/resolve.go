package attempt

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

const (
	// clockSkew is how much further a search looks to both sides, for clocks that differ.
	clockSkew = 10 * time.Second
	// longestSubmit is more than a submit job takes from its attempt's row to the end of its call.
	longestSubmit = 2 * time.Minute
)

// resolveUnknown finds out what became of a submit whose outcome is unknown. First a callback may tell
// which request it was; then the provider is asked; only when it knows of no such request is
// the submit made again, as a new attempt.
func (h submitter) resolveUnknown(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], t *task.Task, a db.ProviderAttempt) error {
	left := a.CreatedAt.Add(h.Options.UnknownWait).Sub(h.Now())
	h.Tasks.RecordDelay(ctx, t.ID, generation.DelayConfirming, max(0, left))

	if left > 0 {
		return queue.Snooze(left)
	}

	tried, err := h.db.AttemptTried(ctx, h.Pool, t.ID)
	if err != nil {
		return fmt.Errorf("count attempts of %s: %w", t.ID, err)
	}

	request, running, err := h.findRequest(ctx, t.AiTask, a)

	switch {
	case err != nil:
		return err
	case request != "":
		return h.recordSubmitted(ctx, job, a, providers.Ticket{RequestID: request})
	case running:
		return queue.Snooze(5 * time.Second) // one of these may be ours: its result will tell
	case tried >= maxAttempts:
		return h.endLost(ctx, job, t)
	}

	if _, err := h.abandonAttempt(ctx, a, &providers.Error{Class: providers.Unknown, Code: "submit_lost"}); err != nil {
		return err
	}

	return queue.Snooze(0) // the next run makes a new attempt, or follows what has become known
}

// endLost ends a generation whose last attempt was lost, as were those before it: an ordinary end, with
// nothing left for an operator to decide.
func (h submitter) endLost(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], t *task.Task) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.Tasks.Lock(ctx, tx, t.ID)
		if err == nil {
			err = h.Tasks.Conclude(ctx, tx, t, generation.FailureProviderLost)
		}

		if err := task.IgnoreFinished(err); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// findRequest asks the provider which request an attempt became: the one that none of our attempts
// claims and whose result has the attempt's seed and prompt. The seed alone would not do: a caller
// may choose it, and so may another whose request is looked for at the same time. It also reports
// whether an unclaimed request is still running, so that nothing can be said of it yet.
func (s *Attempts) findRequest(ctx context.Context, t db.AiTask, a db.ProviderAttempt) (requestID string, running bool, err error) {
	// The call was made right after the row, so what was sent much later is another's: on a busy day
	// a window up to now would hold more than the provider is willing to list.
	end := a.CreatedAt.Add(max(s.Options.UnknownWait, longestSubmit))
	if now := s.Now(); now.Before(end) {
		end = now
	}

	found, err := s.Provider.Find(ctx, a.Endpoint, a.CreatedAt.Add(-clockSkew), end.Add(clockSkew))
	s.Tasks.CountCall("find", err)

	if err != nil {
		return "", true, s.askLater(a, err)
	}

	p, err := task.ParametersOf(t)
	if err != nil {
		return "", false, err
	}

	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.RequestID
	}

	known, err := s.db.RequestsKnown(ctx, s.Pool, ids)
	if err != nil {
		return "", false, fmt.Errorf("look up request ids: %w", err)
	}

	ours := make(map[string]bool, len(known))
	for _, id := range known {
		ours[id] = true
	}

	for _, f := range found {
		switch {
		case ours[f.RequestID]:
		case !f.Done:
			running = true
		default:
			result, err := s.Provider.Fetch(ctx, providers.Ticket{Endpoint: a.Endpoint, RequestID: f.RequestID})
			s.Tasks.CountCall("fetch", err)

			switch providers.ClassOf(err) {
			case providers.NotReady:
				running = true

				continue
			case providers.Rejected, providers.Gone:
				continue // whosever it was, nothing can come of it
			default:
			}

			if err != nil {
				if err := s.askLater(a, err); err != nil {
					return "", false, err
				}

				running = true // it may be ours: not knowing is no reason to submit again

				continue
			}

			said := result.Prompt
			if result.Seed != nil && *result.Seed == p.Seed && (said.IsZero() || said.Reveal() == t.Prompt.Reveal()) {
				if twin, err := s.hasTwin(ctx, t, a, p.Seed); err != nil || twin {
					return "", twin, err
				}

				return f.RequestID, false, nil
			}
		}
	}

	return "", running, nil
}

// askLater turns a provider that cannot be asked into an answer that has to wait: a search of many
// requests would hardly ever succeed if each had to be read in one go, and the generation's deadline
// is the limit. What befell us stays an error.
func (s *Attempts) askLater(a db.ProviderAttempt, err error) error {
	if !isProviders(err) {
		return err
	}

	s.Log.Debug("provider could not be searched", generation.LogID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

	return nil
}

// hasTwin reports whether what was found may as well be another's: one who chose the same seed and
// the same words for another reference, and whose submit was not answered either. No user may get a
// picture of another's reference, so both wait until a callback tells, or for their deadlines.
func (s *Attempts) hasTwin(ctx context.Context, t db.AiTask, a db.ProviderAttempt, seed int64) (bool, error) {
	if t.ReferenceKey == nil {
		return false, nil // it is what was asked for, whichever user asked
	}

	twin, err := s.db.AttemptTwin(ctx, s.Pool, db.AttemptTwinParams{ReferenceKey: t.ReferenceKey, Prompt: t.Prompt, Seed: seed, Endpoint: a.Endpoint})

	return twin, fault.Wrap(err, "look for a twin of attempt "+a.ID.String())
}
