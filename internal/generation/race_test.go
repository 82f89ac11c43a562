package generation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
)

// A callback may come at any point of the submit job that it is about.
func TestCallback_Races(t *testing.T) {
	t.Parallel()

	t.Run("BeforeTheReply_WithAFailureThatIsTriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error {
			// The provider fails at once, says so, and only then answers the submit.
			b.provider.mu.Unlock()
			defer b.provider.mu.Lock()

			b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}
			b.provider.reply = nil
			b.callback(t, 0, "request-a")
			b.jobs.RunAll(t.Context())

			return nil
		}

		g := b.start(t)
		require.Len(t, b.provider.requests, 2, "the second attempt was asked for while the first job ran")
		require.Equal(t, generation.StatusRunning, g.Status)
		b.check(t)

		b.provider.finish(t, 1)
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("WhileTheSearchFindsNothing_IsNotASecondSubmit", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
		g := b.start(t)

		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone} // not ours, for all that the search can tell
		b.provider.find = func() error {
			b.provider.mu.Unlock()
			defer b.provider.mu.Lock()

			b.callback(t, 0, "request-a")

			return nil
		}

		b.pass(t, 91*time.Second)
		require.Len(t, b.provider.requests, 1)
		require.NotEqual(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("WhileACancelFindsNothing_IsErased", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
		b.start(t)
		expire(t, b)

		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone}
		b.provider.find = func() error {
			b.provider.mu.Unlock()
			defer b.provider.mu.Lock()

			b.callback(t, 0, "request-a")

			return nil
		}

		b.pass(t, 91*time.Second)
		require.True(t, b.provider.canceled["request-a"])
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("BeforeAReplyThatSaysItDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error {
			b.provider.mu.Unlock()
			defer b.provider.mu.Lock()

			b.callback(t, 0, "request-a")

			return &providers.Error{Class: providers.Transient, Status: 429}
		}

		b.start(t)
		b.pass(t, 10*time.Second)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})
}

func TestSearch(t *testing.T) {
	t.Parallel()

	seed := func(prompt string) func(*generation.Submission) {
		return func(s *generation.Submission) {
			s.Seed, s.Prompt = new(int64(42)), redact.NewPersonal(prompt)
		}
	}

	t.Run("TellsPromptsWithOneSeedApart", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
		first, second := b.start(t, seed("a red fox")), b.start(t, seed("a blue whale"))
		require.Len(t, b.provider.requests, 2)

		b.provider.finish(t, 1)
		b.pass(t, 91*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, first.ID).Status, "the other's result is not its own")

		b.provider.finish(t, 0)
		b.pass(t, 10*time.Second)

		var ids []string

		require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(a.request_id order by t.created_at)
			from provider_attempt a join ai_task t on t.id = a.task_id where t.id = any($1)`, []uuid.UUID{first.ID, second.ID}).Scan(&ids))
		require.Equal(t, []string{"request-a", "request-b"}, ids)
	})

	t.Run("ThreeLostSubmitsAreAnOrdinaryEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.submit = func(providers.Request) error { return &providers.Error{Class: providers.Unknown} }
		g := b.start(t)

		for range 9 {
			b.pass(t, 60*time.Second)
		}

		require.Equal(t, generation.FailureProviderLost, b.get(t, g.ID).FailureCode)
		require.Empty(t, b.jobs.Dead(), "there is nothing for an operator to decide")
		b.check(t)
	})

	t.Run("AResultThatCannotBeReadIsNotNothing", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
		g := b.start(t)

		b.provider.finish(t, 0)
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Transient, Status: 503}
		b.provider.find = func() error { return &providers.Error{Class: providers.Transient, Status: 502} }
		b.pass(t, 91*time.Second)

		for range 40 { // that the search or one result cannot be read spends no attempt of the job
			b.pass(t, time.Minute)

			b.provider.find = nil
		}

		require.Len(t, b.provider.requests, 1)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)

		delete(b.provider.failed, "request-a")
		b.pass(t, 10*time.Second)
		b.pass(t, 31*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})
}

// What was stored is its owner's, however the rest ends.
func TestPartial(t *testing.T) {
	t.Parallel()

	// The first image is stored, then the second cannot be.
	stuck := func(t *testing.T, b *bundle) generation.Generation {
		t.Helper()

		g := b.start(t, images(2))
		b.provider.finish(t, 0)

		puts := 0
		b.bucket.before = func(string) error {
			if puts++; puts > 2 {
				return errors.New("broken")
			}

			return nil
		}
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.ImageStored, b.get(t, g.ID).Images[0].Status)

		return g
	}

	t.Run("TheJobDies", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		g := stuck(t, b)

		for range 31 {
			b.pass(t, 2*time.Minute)
		}

		g = b.get(t, g.ID)
		require.Equal(t, generation.StatusPartial, g.Status)
		require.Empty(t, g.FailureCode)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("TheResultExpires", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := stuck(t, b)
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone, Status: 404}
		b.pass(t, 6*time.Minute)

		require.Equal(t, generation.StatusPartial, b.get(t, g.ID).Status)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})
}

func TestSubmitJob_EndsWhatCannotBeMade(t *testing.T) {
	t.Parallel()

	t.Run("TheModelHasLeftTheCatalogue", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)

		_, err := b.pool.Exec(t.Context(), `update ai_task set model = 'yesterdays'`)
		require.NoError(t, err)
		_, err = b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusFailed, b.get(t, g.ID).Status)
		require.Empty(t, b.provider.requests)
		b.check(t)
	})

	t.Run("TheDeadlineHasPassedUnnoticed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)
		b.now.Move(11 * time.Minute)

		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusExpired, b.get(t, g.ID).Status)
		require.Empty(t, b.provider.requests)
		b.check(t)
	})
}

func TestCallback_AfterItsAttemptWasGivenUp(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
	g := b.start(t)

	// The search knows nothing of the request, so it is made again; then the first turns up.
	b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone}
	b.provider.reply = nil
	b.pass(t, 91*time.Second)
	require.Len(t, b.provider.requests, 2)

	for range 2 {
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())
	}

	require.True(t, b.provider.erased["request-a"])
	require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)

	b.provider.finish(t, 1)
	b.pass(t, 31*time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	require.Empty(t, b.jobs.Pending())
	b.check(t)
}

func TestAttempts_OurAccountsRefusalsAreNotCounted(t *testing.T) {
	t.Parallel()

	b := setup(t)
	locked := true
	b.provider.submit = func(providers.Request) error {
		if locked {
			return &providers.Error{Class: providers.Account, Status: 403}
		}

		return nil
	}

	g := b.start(t)
	for range 5 {
		b.pass(t, 40*time.Second)
	}

	locked = false
	b.pass(t, 40*time.Second)

	b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}
	b.pass(t, 31*time.Second)
	require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
	b.pass(t, 10*time.Second)
	require.Len(t, b.provider.requests, 2)
	b.check(t)
}

func TestAdmit_APlanThatIsNoMoreIsTheDefaultOne(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	_, err := b.pool.Exec(t.Context(), `update generation_user set plan = 'yesterdays'`)
	require.NoError(t, err)

	for range 3 {
		b.submit(t)
	}

	n, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
