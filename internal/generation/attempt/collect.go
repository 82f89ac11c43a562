package attempt

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

// unreadablePause is the least time to the next look at a provider that could not be asked.
const unreadablePause = 2 * time.Second

// resultLifetime is the least time that the provider keeps a result (fal docs, Queue API: 6
// minutes from 10 KB on): an answer that there is none, sooner than that, is a gateway's.
const resultLifetime = 6 * time.Minute

// deadlineMargin is how much sooner than the deadline the provider, which was told to give up then,
// may have done so: its clock is another one.
const deadlineMargin = 2 * time.Second

// collector follows one attempt until its images are stored.
type collector struct{ *Attempts }

// Handle looks at the attempt once: still running means later, a result means now.
func (h collector) Handle(ctx context.Context, job *queue.Job[jobs.CollectGeneration]) error {
	// 1. What it was when it was read last: whatever is decided below looks again under the lock.
	a, err := h.db.AttemptGet(ctx, h.Pool, job.Args.AttemptID)
	if postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", job.Args.AttemptID, err)
	}

	row, err := h.db.TaskPeek(ctx, h.Pool, a.TaskID)
	if err != nil {
		return fmt.Errorf("read generation %s: %w", a.TaskID, err)
	}

	task.LogAbout(ctx, row.AiTask)

	// 2. It may have ended, or have been asked to stop by its user or an operator.
	switch {
	case generation.Status(row.AiTask.Status).Terminal():
		// The cancel job ends the attempt. An earlier run of this one may have died with an object
		// put that is not wanted.
		return h.dropUnstored(ctx, a.TaskID)
	case a.FinishedAt != nil:
		return nil
	case isToStop(row.AiTask, a) && h.requestStop(ctx, a):
		return h.endStopped(ctx, job, a)
	}

	// 3. The provider is asked, and its answer decides.
	result, err := h.fetchResult(ctx, a, row.AiTask)

	switch {
	case err == nil:
		return h.storeImages(ctx, job, a, result)
	case providers.ClassOf(err) == providers.NotReady:
		if row.AiTask.DelayReason != nil {
			h.Tasks.RecordDelay(ctx, a.TaskID, "", 0)
		}

		return queue.Snooze(h.nextPoll(ctx, row.AiTask, a))
	case providers.ClassOf(err) == providers.Account:
		h.metrics.accountBlocked.Set(1)

		wait := h.account.Trip()
		h.Tasks.RecordDelay(ctx, a.TaskID, generation.DelayProviderUnavailable, wait)

		return queue.Snooze(wait)
	case providers.ClassOf(err) == providers.Rejected || providers.ClassOf(err) == providers.Gone && h.mayBeGone(a):
		return h.endRejected(ctx, job, a, err)
	case isProviders(err):
		// Not to be able to look is no failure of the generation: its deadline is the limit.
		h.Log.Debug("provider could not be asked", generation.LogID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))
		h.Tasks.RecordDelay(ctx, a.TaskID, generation.DelayProviderUnreachable, 0)

		return queue.Snooze(clock.Jitter(max(h.Options.PollEvery, unreadablePause), 0.5))
	default:
		return err
	}
}

// mayBeGone reports whether the result of an attempt can have expired by now.
func (h collector) mayBeGone(a db.ProviderAttempt) bool {
	return a.SentAt == nil || h.Now().Sub(*a.SentAt) >= resultLifetime
}

// fetchResult gets the outcome: from the provider, or where that has expired from the callback.
func (h collector) fetchResult(ctx context.Context, a db.ProviderAttempt, t db.AiTask) (providers.Result, error) {
	ticket := TicketOf(a)

	if a.Callback == nil {
		status, err := h.Provider.Poll(ctx, ticket)
		h.Tasks.CountCall("poll", err)

		if providers.ClassOf(err) == providers.Gone { // it knows nothing of what it had accepted: there was no result yet
			err = &providers.Error{Class: providers.Gone, Code: string(generation.FailureProviderLost), Cause: err}
		}

		if err != nil {
			return providers.Result{}, err
		}

		if status.State != providers.StateDone {
			if err := h.recordProgress(ctx, t, status); err != nil {
				return providers.Result{}, err
			}

			return providers.Result{}, &providers.Error{Class: providers.NotReady}
		}
	}

	result, err := h.Provider.Fetch(ctx, ticket)
	h.Tasks.CountCall("fetch", err)

	if err != nil && providers.ClassOf(err) == providers.Gone && a.Callback != nil {
		return h.Provider.ParseCallback(a.Callback)
	}

	return result, err
}

// endRejected ends an attempt that yielded no result, and the generation with it unless another
// attempt may do better.
func (h collector) endRejected(ctx context.Context, job *queue.Job[jobs.CollectGeneration], a db.ProviderAttempt, cause error) error {
	code := generation.FailureCode(codeOf(cause))
	if providers.ClassOf(cause) == providers.Gone && code != generation.FailureProviderLost {
		code = generation.FailureResultExpired
	}

	ofModel := code == generation.FailureProviderError || code == generation.FailureTimeout

	var counts bool

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.Tasks.Lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		// What was called off, or given up because its user's deadline came, says nothing of the model.
		late := code == generation.FailureTimeout && !h.Now().Before(t.DeadlineAt.Add(-deadlineMargin))
		counts = ofModel && a.Model != nil && !t.State().Terminal() && !t.CancelRequested && !late

		if err := h.EndAttempt(ctx, tx, a.ID, "done", unitsOf(cause), cause); err != nil {
			return err
		}

		tried, err := h.db.AttemptTried(ctx, tx, t.ID)
		if err != nil {
			return fmt.Errorf("count attempts of %s: %w", t.ID, err)
		}

		again := ofModel && tried < maxAttempts && !t.CancelRequested
		wait := time.Duration(tried) * 5 * time.Second

		if again {
			err = h.Tasks.Restart(ctx, tx, t, wait)
		} else {
			err = h.Tasks.Fail(ctx, tx, t, code)
		}

		switch {
		case err != nil && !task.IsFinished(err):
			return err
		case err == nil && again:
			err = h.Tasks.Stage(ctx, tx, jobs.SubmitGeneration{TaskID: t.ID}, t.ID, wait)
		default:
			err = nil
		}

		if err != nil {
			return err
		}

		return h.finishJob(ctx, tx, job, a.ID)
	})
	if err == nil && counts {
		h.Models.RecordFailure(ctx, *a.Model)
	}

	return err
}

// finishJob has the provider's copy deleted and completes the job.
func (h collector) finishJob(ctx context.Context, tx pgx.Tx, job *queue.Job[jobs.CollectGeneration], attempt uuid.UUID) error {
	if err := h.Tasks.Stage(ctx, tx, jobs.EraseAttempt{AttemptID: attempt}, attempt, 0); err != nil {
		return err
	}

	return job.Complete(ctx, tx)
}

// Dead settles the generation of a collect job that will not be tried again.
func (h collector) Dead(ctx context.Context, tx pgx.Tx, args jobs.CollectGeneration, code string) error {
	a, err := h.db.AttemptGet(ctx, tx, args.AttemptID)
	if postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read attempt %s: %w", args.AttemptID, err)
	}

	return h.Tasks.GiveUp(ctx, tx, a.TaskID, code)
}
