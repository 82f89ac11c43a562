package generation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
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

// attempt returns the open attempt of the task, or makes one. An open attempt that this run did
// not make was left by a crash: its call may have happened. A task for which none can be made is
// ended instead.
func (h submitter) attempt(ctx context.Context, tx pgx.Tx, t *task) (a db.ProviderAttempt, fresh bool, err error) {
	if t.status().Terminal() {
		return a, false, errOver
	}

	before, err := h.db.AttemptList(ctx, tx, t.ID)
	if err != nil {
		return a, false, fmt.Errorf("list attempts of %s: %w", t.ID, err)
	}

	if n := len(before); n > 0 && before[n-1].FinishedAt == nil {
		a, now := before[n-1], h.Now()

		return a, false, wrap(h.db.AttemptUnknown(ctx, tx, db.AttemptUnknownParams{ID: a.ID, At: &now}), "mark attempt unknown")
	}

	if !h.Now().Before(t.DeadlineAt) { // the sweep of the deadlines is late
		return a, false, h.end(ctx, tx, t, StatusExpired, FailureDeadline)
	}

	model, endpoint, wait, err := h.choose(ctx, tx, t, before)

	switch {
	case err != nil:
		return a, false, err
	case wait > 0 && t.status() == StatusQueued:
		return a, false, h.putBack(ctx, tx, t)
	case wait > 0:
		return a, false, queue.Snooze(clock.Jitter(wait, 0.2))
	}

	if model == "" { // the catalogue lost it while the task waited
		return a, false, h.end(ctx, tx, t, StatusFailed, FailureInvalidRequest)
	}

	if t.status() == StatusQueued {
		if err := h.change(ctx, tx, t, StatusSubmitting, "", nil); err != nil {
			return a, false, err
		}
	}

	a, err = h.db.AttemptInsert(ctx, tx, db.AttemptInsertParams{
		ID: uuid.New(), TaskID: t.ID, Model: &model, Endpoint: endpoint, CreatedAt: h.Now(),
	})

	return a, true, wrap(err, "insert attempt")
}

// choose finds the model for the next attempt: the one that was asked for, or one that its user
// allows instead when that one is failing. It returns how long to wait where all of them are, and
// no model where the catalogue has lost them.
func (h submitter) choose(ctx context.Context, tx pgx.Tx, t *task, before []db.ProviderAttempt) (model, endpoint string, least time.Duration, err error) {
	p, err := parametersOf(t.AiTask)
	if err != nil {
		return "", "", 0, err
	}

	tried := map[string]int{}
	for _, a := range before {
		if code := orEmpty(a.ErrorCode); code != "" && code != codeNoRoom && code != codeAccount {
			tried[modelOf(t.AiTask, a)]++
		}
	}

	models := append([]string{t.Model}, p.FallbackModels...)
	slices.SortStableFunc(models, func(a, b string) int { return tried[a]/attemptsOfModel - tried[b]/attemptsOfModel })

	for _, id := range models {
		m, _ := h.Catalogue.Find(id)

		endpoint, ok := m.Endpoint(p)
		if !ok {
			continue
		}

		wait, err := h.models.wait(ctx, tx, id)
		if err != nil || wait == 0 {
			return id, endpoint, 0, err
		}

		if least == 0 || wait < least {
			least = wait
		}
	}

	return "", "", least, nil
}

// putBack gives the slot of a task that nobody may serve now to others.
func (h submitter) putBack(ctx context.Context, tx pgx.Tx, t *task) error {
	if err := h.db.AdmissionReturn(ctx, tx, t.ID); err != nil {
		return fmt.Errorf("put %s back: %w", t.ID, err)
	}

	t.AdmittedAt = nil
	afterCommit(tx, h.WantAdmission)

	return nil
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

// giveUp fails a generation whose job died.
func (s *Service) giveUp(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	t, err := s.lock(ctx, tx, id)
	if err == nil {
		var (
			status Status
			code   FailureCode
		)

		why := FailureProviderError
		if t.status() == StatusStoring {
			why = FailureStorage // the picture was there
		}

		if status, code, err = s.verdict(ctx, tx, t, why); err == nil {
			err = s.end(ctx, tx, t, status, code)
		}
	}

	if notFound(err) || over(err) {
		return nil
	}

	return err
}

// fail ends a generation as its provider's refusal demands.
func (s *Service) fail(ctx context.Context, tx pgx.Tx, t *task, code FailureCode) error {
	status, code, err := s.verdict(ctx, tx, t, code)
	if err != nil {
		return err
	}

	return s.change(ctx, tx, t, status, code, nil)
}

// verdict is how a generation ends of which nothing more will come: what was stored before is its
// owner's.
func (s *Service) verdict(ctx context.Context, tx pgx.Tx, t *task, code FailureCode) (Status, FailureCode, error) {
	images, err := s.db.ImageList(ctx, tx, []uuid.UUID{t.ID})
	if err != nil {
		return "", "", fmt.Errorf("list images of %s: %w", t.ID, err)
	}

	if code == FailureReference && t.ReferenceKey == nil {
		code = FailureInvalidRequest // it is about a size, which these errors are for as well
	}

	switch status, _ := outcome(images); {
	case status == StatusSucceeded || status == StatusPartial:
		return status, "", nil
	case code == FailurePromptRejected || code == FailureOutputBlocked:
		return StatusBlocked, code, nil
	default:
		return StatusFailed, code, nil
	}
}

// abandon ends an attempt whose call did not happen. False: it is over already, or it did happen
// after all, since the provider's request has become known meanwhile.
func (s *Service) abandon(ctx context.Context, a db.ProviderAttempt, cause error) (bool, error) {
	now := s.Now()

	n, err := s.db.AttemptAbandon(ctx, s.Pool, db.AttemptAbandonParams{ID: a.ID, ErrorCode: textOrNil(codeOf(cause)), At: &now})

	return n == 1, wrap(err, "abandon attempt "+a.ID.String())
}

func (s *Service) endAttempt(ctx context.Context, tx db.DBTX, id uuid.UUID, state string, cause error) error {
	now := s.Now()

	err := s.db.AttemptEnd(ctx, tx, db.AttemptEndParams{ID: id, State: state, ErrorCode: textOrNil(codeOf(cause)), At: &now})

	return wrap(err, "end attempt "+id.String())
}
