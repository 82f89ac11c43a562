package generation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/queue"
)

const (
	// attemptsMost is how many attempts at the provider a generation gets before it fails.
	attemptsMost = 3
	// attemptsOfModel is how many of them one model gets before another that the user allows.
	attemptsOfModel = 2
	// busyPause is how long a provider that has no room is left alone.
	busyPause = 10 * time.Second
	// recordPatience is how long what came of a call is written down for, even when our own context ended: nobody
	// else knows of it.
	recordPatience = 10 * time.Second
)

// What an attempt ended with that says nothing of its model.
const (
	codeNoRoom  = "no_room"
	codeAccount = "account_refused"
)

// submitter hands an admitted generation to its provider.
type submitter struct{ *Service }

// Handle commits an attempt, calls the provider, and commits what came of it. Found after a
// crash with an attempt whose call may have happened, it finds out instead of calling again.
func (h submitter) Handle(ctx context.Context, job *queue.Job[jobs.SubmitGeneration]) error {
	if wait := h.breaker.wait(); wait > 0 {
		h.recordDelay(ctx, job.Args.TaskID, DelayProviderUnavailable, wait)

		return queue.Snooze(clock.Jitter(wait, 0.2))
	}

	var (
		t     *task
		a     db.ProviderAttempt
		fresh bool
	)

	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) (err error) {
		if t, err = h.lock(ctx, tx, job.Args.TaskID); err != nil {
			return err
		}

		if err := job.Hold(ctx, tx); err != nil {
			return err
		}

		if t.AdmittedAt != nil {
			a, fresh, err = h.attempt(ctx, tx, t)
		}

		if err == nil && t.AdmittedAt == nil {
			err = job.Complete(ctx, tx) // it waits for its turn, which stages another
		}

		return err
	})

	if err == nil {
		aboutTask(ctx, t.AiTask)
	}

	if w, ok := errors.AsType[*modelWaitError](err); ok {
		h.recordDelay(ctx, job.Args.TaskID, DelayModelFailing, w.left)

		return queue.Snooze(w.left)
	}

	switch {
	case notFound(err) || over(err):
		return nil
	case err != nil:
		return err
	case t.status().Terminal() || t.AdmittedAt == nil:
		return nil
	case fresh:
		return h.submit(ctx, job, t, a)
	case a.RequestID != nil:
		return h.submitted(ctx, job, a, providers.Ticket{RequestID: *a.RequestID})
	default:
		return h.resolve(ctx, job, t, a)
	}
}

// submit makes the one call of a fresh attempt.
func (h submitter) submit(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], t *task, a db.ProviderAttempt) error {
	request, err := h.request(ctx, t, a)
	if err != nil {
		return queue.Cancel(err)
	}

	ticket, err := h.Provider.Submit(ctx, request)
	h.metrics.call("submit", err)

	if err == nil {
		return h.submitted(ctx, job, a, ticket)
	}

	stopped := errors.Is(ctx.Err(), context.Canceled) // by us: that says nothing of the model
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()

	now := h.Now()

	switch providers.ClassOf(err) {
	case providers.Unknown:
		h.Log.Warn("outcome of a submit is unknown",
			generationID(t.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if !stopped {
			h.models.failed(ctx, modelOf(t.AiTask, a))
		}

		if err := h.db.AttemptUnknown(ctx, h.Pool, db.AttemptUnknownParams{ID: a.ID, At: &now}); err != nil {
			return fmt.Errorf("mark attempt %s unknown: %w", a.ID, err)
		}

		h.recordDelay(ctx, t.ID, DelayConfirming, h.Options.UnknownWait)

		return queue.Snooze(h.Options.UnknownWait)
	case providers.Account:
		wait := h.breaker.trip()
		h.metrics.accountBlocked.Set(1)
		h.Log.Error("the provider refuses our account: check key and balance; generations wait", generationID(a.TaskID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if _, err := h.abandon(ctx, a, &providers.Error{Class: providers.Account, Code: codeAccount}); err != nil {
			return err
		}

		h.recordDelay(ctx, t.ID, DelayProviderUnavailable, wait)

		return queue.Snooze(wait)
	case providers.Rejected:
		return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
			t, err2 := h.lock(ctx, tx, t.ID)
			if err2 != nil {
				return err2
			}

			if err2 := h.endAttempt(ctx, tx, a.ID, "done", "", err); err2 != nil {
				return err2
			}

			if err2 := h.fail(ctx, tx, t, FailureCode(codeOf(err))); err2 != nil && !over(err2) {
				return err2
			}

			return job.Complete(ctx, tx)
		})
	case providers.Busy:
		if _, err := h.abandon(ctx, a, &providers.Error{Class: providers.Busy, Code: codeNoRoom}); err != nil {
			return err
		}

		wait := clock.Jitter(busyPause, 0.5)
		h.recordDelay(ctx, t.ID, DelayProviderBusy, wait)

		return queue.Snooze(wait) // there is room later: the deadline is the limit
	default:
		if !stopped {
			h.models.failed(ctx, modelOf(t.AiTask, a))
		}

		if _, err := h.abandon(ctx, a, err); err != nil {
			return err
		}

		h.recordDelay(ctx, t.ID, DelayRetrying, 0)

		return err
	}
}

func (h submitter) request(ctx context.Context, t *task, a db.ProviderAttempt) (providers.Request, error) {
	model, _ := h.Catalogue.Find(modelOf(t.AiTask, a))

	p, err := parametersOf(t.AiTask)
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

// submitted commits that the provider has the request and has the collector follow it. A
// generation that ended meanwhile has its request called off instead.
func (h submitter) submitted(ctx context.Context, job *queue.Job[jobs.SubmitGeneration], a db.ProviderAttempt, k providers.Ticket) error {
	h.breaker.reset()
	h.metrics.accountBlocked.Set(0)

	first := h.Options.CollectFirst
	if h.Options.CallbackURL == "" || h.Watches.Watched(ctx, a.TaskID) {
		first = h.Options.PollEvery
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()

	err := h.commitSubmitted(ctx, a, k, first, job.Complete)
	if errors.Is(err, queue.ErrStale) {
		// Whoever has the job by now does not know what this call was told.
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
		if again = late || now.FinishedAt != nil && !t.status().Terminal(); again {
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
	return h.giveUp(ctx, tx, args.TaskID, code)
}
