package attempt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/queue"
)

const (
	// maxAttempts is how many attempts at the provider a generation gets before it fails.
	maxAttempts = 3
	// maxAttemptsOfModel is how many of them one model gets before another that the user allows.
	maxAttemptsOfModel = 2
	// busyPause is how long a provider that has no room is left alone.
	busyPause = 10 * time.Second
	// recordPatience is how long what came of a call is written down for, even when our own context ended: no
	// other worker knows of it.
	recordPatience = 10 * time.Second
)

// What an attempt ended with that says nothing of its model.
const (
	codeNoRoom  = "no_room"
	codeAccount = "account_refused"
)

// submitter hands an admitted generation to its provider.
type submitter struct{ *Attempts }

// Handle commits an attempt, calls the provider, and commits what came of it. Found after a
// crash with an attempt whose call may have happened, it finds out instead of calling again.
func (h submitter) Handle(ctx context.Context, job *queue.Job[jobs.SubmitGeneration]) error {
	// 1. While the provider refuses our account no generation is handed over.
	if wait := h.account.Wait(); wait > 0 {
		h.Tasks.RecordDelay(ctx, job.Args.TaskID, generation.DelayProviderUnavailable, wait)

		return queue.Snooze(clock.Jitter(wait, 0.2))
	}

	// 2. The attempt's row is committed before the call.
	var (
		t     *task.Task
		a     db.ProviderAttempt
		fresh bool
	)

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) (err error) {
		if t, err = h.Tasks.Lock(ctx, tx, job.Args.TaskID); err != nil {
			return err
		}

		if err := job.Hold(ctx, tx); err != nil {
			return err
		}

		if t.AdmittedAt != nil {
			a, fresh, err = h.openAttempt(ctx, tx, t)
		}

		if err == nil && t.AdmittedAt == nil {
			err = job.Complete(ctx, tx) // it waits for its turn, which stages another
		}

		return err
	})

	if err == nil {
		task.LogAbout(ctx, t.AiTask)
	}

	if w, ok := errors.AsType[*modelWaitError](err); ok {
		h.Tasks.RecordDelay(ctx, job.Args.TaskID, generation.DelayModelFailing, w.left)

		return queue.Snooze(w.left)
	}

	// 3. A fresh attempt is called; of any other it is found out what became of it.
	switch {
	case postgres.IsNotFound(err) || task.IsFinished(err):
		return nil
	case err != nil:
		return err
	case t.State().Terminal() || t.AdmittedAt == nil:
		return nil
	case fresh:
		return h.submitFresh(ctx, job, t, a)
	case a.RequestID != nil:
		return h.recordSubmitted(ctx, job, a, providers.Ticket{RequestID: *a.RequestID})
	default:
		return h.resolveUnknown(ctx, job, t, a)
	}
}

// submitFresh makes the one call of a fresh attempt.
func (h submitter) submitFresh(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], t *task.Task, a db.ProviderAttempt) error {
	request, err := h.requestOf(ctx, t, a)
	if err != nil {
		return queue.Cancel(err)
	}

	ticket, err := h.Provider.Submit(ctx, request)
	h.Tasks.CountCall("submit", err)

	if err == nil {
		return h.recordSubmitted(ctx, job, a, ticket)
	}

	stopped := errors.Is(ctx.Err(), context.Canceled) // by us: that says nothing of the model
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()

	now := h.Now()

	switch providers.ClassOf(err) {
	// It may have happened: what became of it is found out before another attempt is made.
	case providers.Unknown:
		h.Log.Warn("outcome of a submit is unknown",
			generation.LogID(t.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if !stopped {
			h.Models.RecordFailure(ctx, task.ModelOf(t.AiTask, a))
		}

		if err := h.db.AttemptUnknown(ctx, h.Pool, db.AttemptUnknownParams{ID: a.ID, At: &now}); err != nil {
			return fmt.Errorf("mark attempt %s unknown: %w", a.ID, err)
		}

		h.Tasks.RecordDelay(ctx, t.ID, generation.DelayConfirming, h.Options.UnknownWait)

		return queue.Snooze(h.Options.UnknownWait)
	// Our trouble, not the user's: the attempt is taken back, and everybody waits.
	case providers.Account:
		wait := h.account.Trip()
		h.metrics.accountBlocked.Set(1)
		h.Log.Error("provider refuses our account: check key and balance; generations wait", generation.LogID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if _, err := h.abandonAttempt(ctx, a, &providers.Error{Class: providers.Account, Code: codeAccount}); err != nil {
			return err
		}

		h.Tasks.RecordDelay(ctx, t.ID, generation.DelayProviderUnavailable, wait)

		return queue.Snooze(wait)
	// The request is at fault: another attempt would end as this one did.
	case providers.Rejected:
		return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
			t, err2 := h.Tasks.Lock(ctx, tx, t.ID)
			if err2 != nil {
				return err2
			}

			if err2 := h.EndAttempt(ctx, tx, a.ID, "done", "", err); err2 != nil {
				return err2
			}

			if err2 := h.Tasks.Fail(ctx, tx, t, generation.FailureCode(codeOf(err))); err2 != nil && !task.IsFinished(err2) {
				return err2
			}

			return job.Complete(ctx, tx)
		})
	// There is room later: no attempt is spent, and the deadline is the limit.
	case providers.Busy:
		if _, err := h.abandonAttempt(ctx, a, &providers.Error{Class: providers.Busy, Code: codeNoRoom}); err != nil {
			return err
		}

		wait := clock.Jitter(busyPause, 0.5)
		h.Tasks.RecordDelay(ctx, t.ID, generation.DelayProviderBusy, wait)

		return queue.Snooze(wait)
	// It did not happen: the job is tried again.
	default:
		if !stopped {
			h.Models.RecordFailure(ctx, task.ModelOf(t.AiTask, a))
		}

		if _, err := h.abandonAttempt(ctx, a, err); err != nil {
			return err
		}

		h.Tasks.RecordDelay(ctx, t.ID, generation.DelayRetrying, 0)

		return err
	}
}

func (h submitter) requestOf(ctx context.Context, t *task.Task, a db.ProviderAttempt) (providers.Request, error) {
	model, _ := h.Catalogue.Find(task.ModelOf(t.AiTask, a))

	p, err := task.ParametersOf(t.AiTask)
	if err != nil {
		return providers.Request{}, err
	}

	texts := catalogue.Texts{Prompt: t.Prompt, NegativePrompt: t.NegativePrompt}

	if t.ReferenceKey != nil {
		// The provider reads it when it begins, which it must before the deadline.
		link, err := h.References.Link(ctx, *t.ReferenceKey, t.DeadlineAt.Sub(h.Now())+time.Minute)
		if err != nil {
			return providers.Request{}, fmt.Errorf("link reference of %s: %w", t.ID, err)
		}

		texts.ReferenceURL = redact.NewPersonal(link)
	}

	input, err := model.Input(p, texts)
	if err != nil {
		return providers.Request{}, fmt.Errorf("encode input of %s: %w", t.ID, err)
	}

	return providers.Request{
		AttemptID: a.ID, Endpoint: a.Endpoint, Input: input, CallbackURL: h.callbackURL(a.ID),
		StartTimeout: max(time.Second, t.DeadlineAt.Sub(h.Now())), KeepFor: h.Options.OutputLifetime,
	}, nil
}

// recordSubmitted commits that the provider has the request and has the collector follow it. A
// generation that ended meanwhile has its request called off instead.
func (h submitter) recordSubmitted(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], a db.ProviderAttempt, k providers.Ticket) error {
	h.account.Reset()
	h.metrics.accountBlocked.Set(0)

	first := h.Options.CollectFirst
	if h.Options.CallbackURL == "" || h.Watches.Watched(ctx, a.TaskID) {
		first = h.Options.PollEvery
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()

	err := h.commitSubmitted(ctx, a, k, first, job.Complete)
	if errors.Is(err, queue.ErrStale) {
		// The worker that has the job by now does not know what this call was told.
		err = errors.Join(err, h.commitSubmitted(ctx, a, k, first, nil))
	}

	return err
}

// commitSubmitted is the transaction of submitted. complete ends the job with it; nil: it is another's by now.
func (h submitter) commitSubmitted(ctx context.Context, a db.ProviderAttempt, k providers.Ticket, first time.Duration, complete func(context.Context, pgx.Tx) error) error {
	var again bool

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, now, late, err := h.lockIdentified(ctx, tx, a.ID, k.RequestID)
		if err != nil {
			return err
		}

		// It may have been given up while the call was under way. Or a callback was faster than the reply, and
		// its result may ask for another attempt: staging that found this job, which still has it to do.
		if again = late || now.FinishedAt != nil && !t.State().Terminal(); again {
			return nil
		}

		if now.FinishedAt == nil {
			err = h.recordRequest(ctx, tx, t, now, k, first)
		}

		if err == nil && complete != nil {
			err = complete(ctx, tx)
		}

		return err
	})
	if err == nil && again {
		err = queue.Snooze(0)
	}

	return err
}

// Dead settles the generation of a submit job that will not be tried again.
func (h submitter) Dead(ctx context.Context, tx pgx.Tx, args jobs.SubmitGeneration, code string) error {
	return h.Tasks.GiveUp(ctx, tx, args.TaskID, code)
}
