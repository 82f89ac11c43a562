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
)

// What an attempt ended with that says nothing of its model.
const (
	codeNoRoom  = "no_room"
	codeAccount = "account_refused"
)

// Register makes the service the handler of the jobs of generations.
func (s *Service) Register(r *queue.Registry) {
	queue.Register(r, submitter{s})
	queue.Register(r, collector{s})
	queue.Register(r, canceler{s})
	queue.Register(r, attemptEraser{s})
	queue.Register(r, eraser{s})
	queue.Register(r, tombstonePurger{s})
}

// submitter hands an admitted generation to its provider.
type submitter struct{ *Service }

// Handle commits an attempt, calls the provider, and commits what came of it. Found after a
// crash with an attempt whose call may have happened, it finds out instead of calling again.
func (h submitter) Handle(ctx context.Context, job *queue.Job[queue.SubmitGeneration]) error {
	if wait := h.breaker.wait(); wait > 0 {
		return queue.Snooze(clock.Jitter(wait, 0.2))
	}

	var (
		t     *task
		a     db.ProviderAttempt
		fresh bool
	)

	err := postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) (err error) {
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
func (h submitter) submit(ctx context.Context, job *queue.Job[queue.SubmitGeneration], t *task, a db.ProviderAttempt) error {
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
	// What happened must be written down even when it was our own context that ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()

	now := h.Now()

	switch providers.ClassOf(err) {
	case providers.Unknown:
		h.Log.Warn("outcome of a submit is unknown",
			slog.Any("generation_id", t.ID), slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if !stopped {
			h.models.failed(ctx, modelOf(t.AiTask, a))
		}

		if err := h.db.AttemptUnknown(ctx, h.Pool, db.AttemptUnknownParams{ID: a.ID, At: &now}); err != nil {
			return fmt.Errorf("mark attempt %s unknown: %w", a.ID, err)
		}

		return queue.Snooze(h.Options.UnknownWait)
	case providers.Account:
		wait := h.breaker.trip()
		h.metrics.accountBlocked.Set(1)
		h.Log.Error("the provider refuses our account: check key and balance; generations wait", slog.Any("attempt_id", a.ID), slog.Any("error", err))

		if _, err := h.abandon(ctx, a, &providers.Error{Class: providers.Account, Code: codeAccount}); err != nil {
			return err
		}

		return queue.Snooze(wait)
	case providers.Rejected:
		return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
			t, err2 := h.lock(ctx, tx, t.ID)
			if err2 != nil {
				return err2
			}

			if err2 := h.endAttempt(ctx, tx, a.ID, "done", err); err2 != nil {
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

		return queue.Snooze(clock.Jitter(busyPause, 0.5)) // there is room later: the deadline is the limit
	default:
		if !stopped {
			h.models.failed(ctx, modelOf(t.AiTask, a))
		}

		if _, err := h.abandon(ctx, a, err); err != nil {
			return err
		}

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
func (h submitter) submitted(ctx context.Context, job *queue.Job[queue.SubmitGeneration], a db.ProviderAttempt, k providers.Ticket) error {
	h.breaker.reset()
	h.metrics.accountBlocked.Set(0)

	first := h.Options.CollectFirst
	if h.Options.CallbackURL == "" || h.Watches.Watched(ctx, a.TaskID) {
		first = h.Options.PollEvery
	}

	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		t, err := h.lock(ctx, tx, a.TaskID)
		if err != nil {
			return err
		}

		// A callback may have been faster than the reply, and its result may ask for another
		// attempt: staging that found this job, which still has it to do.
		now, err := h.db.AttemptGet(ctx, tx, a.ID)
		if err != nil {
			return fmt.Errorf("read attempt %s: %w", a.ID, err)
		}

		if now.FinishedAt != nil && !t.status().Terminal() {
			return queue.Snooze(0)
		}

		if err := h.identified(ctx, tx, t, a, k, first); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// identified commits the provider's request id of an attempt, from whichever source it came
// first: the reply, a callback or a search. The collector's first look is after the given time.
func (s *Service) identified(ctx context.Context, tx pgx.Tx, t *task, a db.ProviderAttempt, k providers.Ticket, first time.Duration) error {
	now := s.Now()

	err := s.db.AttemptSubmitted(ctx, tx, db.AttemptSubmittedParams{
		ID: a.ID, RequestID: &k.RequestID, At: &now,
		StatusUrl: textOrNil(k.StatusURL), ResponseUrl: textOrNil(k.ResponseURL), CancelUrl: textOrNil(k.CancelURL),
	})
	if err != nil {
		return fmt.Errorf("mark attempt %s submitted: %w", a.ID, err)
	}

	if t.status().Terminal() {
		args := queue.CancelAttempt{AttemptID: a.ID}
		if err := s.stage(ctx, tx, args, a.ID, 0); err != nil {
			return err
		}

		return s.Queue.Wake(ctx, tx, args.Kind(), jobKey(args.Kind(), a.ID)) // it may be waiting for the id
	}

	if t.status() == StatusSubmitting {
		if err := s.change(ctx, tx, t, StatusRunning, "", nil); err != nil {
			return err
		}
	}

	return s.stage(ctx, tx, queue.CollectGeneration{AttemptID: a.ID}, a.ID, first)
}

// Dead settles the generation of a submit job that will not be tried again.
func (h submitter) Dead(ctx context.Context, tx pgx.Tx, args queue.SubmitGeneration, _ string) error {
	return h.giveUp(ctx, tx, args.TaskID)
}
