package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

// answer has the provider answer cancels so, the last of them for ever.
func (p *fakeProvider) answer(outcomes ...any) {
	p.cancel = func() (providers.CancelOutcome, error) {
		said := outcomes[0]
		if len(outcomes) > 1 {
			outcomes = outcomes[1:]
		}

		if err, ok := said.(error); ok {
			return "", err
		}

		return said.(providers.CancelOutcome), nil //nolint:forcetypeassert // one of the two
	}
}

// stop ends a request as one that was stopped while it ran.
func (p *fakeProvider) stop(id string) {
	p.failed[id] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 499}
}

const (
	finishedBefore = "It was finished before it could be stopped. "
	bothPaid       = "10 credits were charged for the pictures that came."
)

var errUnanswered = &providers.Error{Class: providers.Transient, Code: "unavailable"}

// Once its provider may have begun, a cancel is a request. What the provider then does decides what it costs, and until that is
// known the slot and the hold stay.
func TestCancel_OfWhatRuns(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		answers []any // to the cancels, one a look
		then    func(t *testing.T, b *bundle)
		status  generation.Status
		want    []string
		notice  string
	}{
		"ItNeverBegan":   {[]any{providers.CancelRemoved}, nil, generation.StatusCanceled, []string{aside, all}, ""},
		"ItIsStopped":    {[]any{providers.CancelRequested}, func(_ *testing.T, b *bundle) { b.provider.stop("request-a") }, generation.StatusCanceled, []string{aside, all}, ""},
		"ItHadFinished":  {[]any{providers.CancelTooLate}, finishFirst, generation.StatusSucceeded, []string{aside, first, second}, finishedBefore + bothPaid},
		"ItDoesNotStop":  {[]any{providers.CancelRequested}, finishFirst, generation.StatusSucceeded, []string{aside, first, second}, finishedBefore + bothPaid},
		"ItIsNotFound":   {[]any{providers.CancelNotFound}, finishFirst, generation.StatusSucceeded, []string{aside, first, second}, finishedBefore + bothPaid},
		"SomeOfIt":       {[]any{providers.CancelRequested}, finishOne, generation.StatusPartial, []string{aside, first, half}, finishedBefore + oneOfTwo},
		"ItIsBlocked":    {[]any{providers.CancelRequested}, finishBlocked, generation.StatusBlocked, []string{aside, all}, ""},
		"ItFailedAndDid": {[]any{errUnanswered, providers.CancelTooLate}, func(_ *testing.T, b *bundle) { b.provider.stop("request-a") }, generation.StatusCanceled, []string{aside, all}, ""},
		"ItFailedAndDidNot": {
			[]any{errUnanswered, errUnanswered, providers.CancelRemoved}, func(t *testing.T, b *bundle) { t.Helper(); b.pass(t, time.Second) },
			generation.StatusCanceled, []string{aside, all}, "",
		},
		"ItNeverAnswers": {[]any{providers.CancelRequested}, func(t *testing.T, b *bundle) {
			t.Helper()
			b.now.Move(10 * time.Minute)

			n, err := b.ExpireDue(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}, generation.StatusCanceled, []string{aside, all}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(o *generation.Options) { o.Slots = 1 })
			b.poor(t, 12)
			g := b.start(t, two)
			b.submit(t, func(s *generation.Submission) { s.UserID, s.DeadlineSeconds = uuid.New(), new(3600) })
			b.provider.answer(c.answers...)

			g, err := b.Cancel(t.Context(), b.user, g.ID)
			require.NoError(t, err)
			require.Equal(t, generation.StatusRunning, g.Status)
			require.True(t, g.Canceling())
			require.EqualValues(t, 10, g.Cost.Held)
			require.NotEmpty(t, g.Notice())

			again, err := b.Cancel(t.Context(), b.user, g.ID)
			require.NoError(t, err)
			require.Equal(t, g.StatusSequence, again.StatusSequence)
			require.True(t, last(t, b, g.ID).Canceling)
			require.Zero(t, admitted(t, b), "the provider has it yet")

			b.jobs.RunAll(t.Context())
			require.True(t, b.provider.canceled["request-a"], "it is told at once")

			if c.then != nil {
				require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
				require.Zero(t, admitted(t, b))
				c.then(t, b)
			}

			b.pass(t, 3*time.Second)

			g = b.get(t, g.ID)
			require.Equal(t, c.status, g.Status)
			require.Equal(t, c.want, b.story(t))
			require.Equal(t, c.notice, g.Notice())
			require.False(t, g.Canceling())
			require.False(t, last(t, b, g.ID).Canceling)
			require.Equal(t, 1, admitted(t, b), "the slot is free")

			b.provider.answer(providers.CancelTooLate)
			b.pass(t, 10*time.Second)
			b.pass(t, 10*time.Second)
			require.True(t, b.provider.erased["request-a"])
			b.check(t)
		})
	}
}

func finishFirst(t *testing.T, b *bundle) { t.Helper(); b.provider.finish(t, 0) }

func finishOne(t *testing.T, b *bundle) {
	t.Helper()
	b.provider.finish(t, 0, func(r *providers.Result) { r.Images = r.Images[:1] })
}

func finishBlocked(t *testing.T, b *bundle) {
	t.Helper()
	b.provider.finish(t, 0, func(r *providers.Result) { r.Images[0].Blocked, r.Images[1].Blocked = true, true })
}

// last is the newest event of a generation.
func last(t *testing.T, b *bundle, id uuid.UUID) generation.Event {
	t.Helper()

	events, err := b.Events(t.Context(), b.user, id, 0)
	require.NoError(t, err)

	return events[len(events)-1]
}

// admitted is how many a round of admission lets in, of which none is worked.
func admitted(t *testing.T, b *bundle) int {
	t.Helper()

	n, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	return n
}

// However fast somebody submits and takes it back, no more runs at the provider than their plan has slots for, and
// what it finishes is paid for.
func TestCancel_KeepsTheSlot(t *testing.T) {
	t.Parallel()

	for name, takeBack := range map[string]func(t *testing.T, b *bundle, id uuid.UUID) error{
		"Cancel": func(t *testing.T, b *bundle, id uuid.UUID) error {
			t.Helper()

			_, err := b.Cancel(t.Context(), b.user, id)

			return err
		},
		"Delete": func(t *testing.T, b *bundle, id uuid.UUID) error {
			t.Helper()
			return b.Delete(t.Context(), b.user, id)
		},
		"DeleteMany": func(t *testing.T, b *bundle, id uuid.UUID) error {
			t.Helper()

			_, err := b.DeleteMany(t.Context(), b.user, []uuid.UUID{id})

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t) // two slots for a free user
			b.poor(t, 100)
			b.provider.answer(providers.CancelRequested)

			for range 10 {
				g := b.start(t, two)
				require.NoError(t, takeBack(t, b, g.ID))
				b.pass(t, time.Second)
			}

			require.Equal(t, 2, b.provider.asked(), "of ten, as many as there are slots")

			b.provider.finish(t, 0)
			b.provider.finish(t, 1)
			b.pass(t, time.Second)
			b.pass(t, 10*time.Second)

			balance, err := b.credits.Balance(t.Context(), b.pool, b.user)
			require.NoError(t, err)
			require.EqualValues(t, 80, balance.Available, "two were made")
			require.Zero(t, balance.Held)
			require.Empty(t, b.jobs.Pending())
			b.check(t)
		})
	}
}

// A submit whose answer is not there yet may have begun.
func TestCancel_WhileTheSubmitIsUnderWay(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		reply  error
		found  bool // a search finds it, finished
		status generation.Status
		want   []string
	}{
		"ItIsAccepted":         {nil, false, generation.StatusCanceled, []string{aside, all}},
		"ItDidNotHappen":       {&providers.Error{Class: providers.Transient, Status: 503}, false, generation.StatusCanceled, []string{aside, all}},
		"ThereIsNoRoom":        {&providers.Error{Class: providers.Busy, Status: 429}, false, generation.StatusCanceled, []string{aside, all}},
		"TheAccountIsRefused":  {&providers.Error{Class: providers.Account, Status: 403}, false, generation.StatusCanceled, []string{aside, all}},
		"ItIsRefused":          {&providers.Error{Class: providers.Rejected, Code: string(generation.FailurePromptRejected)}, false, generation.StatusCanceled, []string{aside, all}},
		"ItIsLost":             {&providers.Error{Class: providers.Unknown}, false, generation.StatusCanceled, []string{aside, all}},
		"ItIsLost_AndFinished": {&providers.Error{Class: providers.Unknown}, true, generation.StatusSucceeded, []string{aside, first, second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)
			g := b.submit(t, two)
			b.provider.answer(providers.CancelRemoved)

			b.provider.reply = func() error {
				b.provider.mu.Unlock()
				defer b.provider.mu.Lock()

				got, err := b.Cancel(t.Context(), b.user, g.ID)
				require.NoError(t, err)
				require.Equal(t, generation.StatusSubmitting, got.Status)
				require.True(t, got.Canceling())

				return c.reply
			}
			b.admit(t)

			if c.found {
				b.provider.answer(providers.CancelTooLate)
				b.provider.finish(t, 0)
			} else {
				b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone} // for a search it is not ours
			}

			b.pass(t, 91*time.Second)

			require.Equal(t, c.status, b.get(t, g.ID).Status)
			require.Equal(t, c.want, b.story(t))
			require.Equal(t, 1, b.provider.asked(), "it is not asked for again")
			b.pass(t, time.Hour)
			require.Empty(t, b.jobs.Pending())
			b.check(t)
		})
	}
}

// A failure says nothing of the model where its user had it stopped, and is no reason for another attempt.
func TestCancel_IsNoFailureOfTheModel(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.answer(providers.CancelRequested)

	_, err := b.Cancel(t.Context(), b.user, g.ID)
	require.NoError(t, err)
	b.provider.stop("request-a")
	b.pass(t, time.Second)

	var failures int

	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from model_breaker`).Scan(&failures))
	require.Zero(t, failures)
	require.Equal(t, generation.StatusCanceled, b.get(t, g.ID).Status)
	b.pass(t, time.Minute)
	require.Equal(t, 1, b.provider.asked())
	b.check(t)
}

// What the release before gave up, which knows of no request to stop, is not begun anew.
func TestCancel_AttemptEndedByTheReleaseBefore(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := lost(t, b)

	_, err := b.Cancel(t.Context(), b.user, g.ID)
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), `update provider_attempt set state = 'abandoned', error_code = 'submit_lost', finished_at = $1`, b.now.Now())
	require.NoError(t, err)

	b.pass(t, 91*time.Second)
	require.Equal(t, generation.StatusCanceled, b.get(t, g.ID).Status)
	require.Equal(t, 1, b.provider.asked())
	b.check(t)
}
