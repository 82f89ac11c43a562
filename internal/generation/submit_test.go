package generation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

func TestSubmitJob(t *testing.T) {
	t.Parallel()

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		failures := 2
		b.provider.submit = func(providers.Request) error {
			if failures--; failures >= 0 {
				return &providers.Error{Class: providers.Transient, Code: "unavailable", Status: 429}
			}

			return nil
		}

		g := b.start(t)
		b.pass(t, 10*time.Second)
		b.pass(t, 10*time.Second)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("FailedButDidHappen_TheCallbackTells", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }

		g := b.start(t)
		require.Equal(t, generation.StatusSubmitting, g.Status)

		b.provider.finish(t, 0)
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.pass(t, 2*time.Minute)
		require.Len(t, b.provider.requests, 1)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("FailedButDidHappen_TheSearchTells", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		other := b.start(t) // a request that is somebody's already
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }
		g := b.start(t)

		b.provider.finish(t, 1)
		b.pass(t, 89*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
		b.pass(t, 2*time.Second)
		b.pass(t, 31*time.Second)

		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Equal(t, generation.StatusRunning, b.get(t, other.ID).Status)
		require.Len(t, b.provider.requests, 2)
		b.check(t)
	})

	t.Run("UnknownAndDidNotHappen_IsSubmittedAgainOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		unknown := true
		b.provider.submit = func(providers.Request) error {
			if unknown {
				return &providers.Error{Class: providers.Unknown, Code: "timeout"}
			}

			return nil
		}

		g := b.start(t)
		unknown = false

		b.pass(t, 91*time.Second)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("UnknownWhileItRuns_WaitsForItsResult", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }

		g := b.start(t)
		b.pass(t, 91*time.Second)
		b.pass(t, 10*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)

		b.provider.finish(t, 0)
		b.pass(t, 6*time.Second)
		b.pass(t, 31*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("ACrashBeforeTheReplyWasWritten_IsNotASecondSubmit", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)
		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)

		// The call happens; then nothing of ours is written any more.
		b.provider.reply = func() error { panic("the process dies here") }

		require.True(t, b.jobs.RunNext(t.Context()))
		require.Len(t, b.provider.requests, 1)

		b.provider.finish(t, 0)
		b.pass(t, 91*time.Second)
		b.pass(t, 91*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("OurAccountIsNobodysFailure", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		locked := true
		b.provider.submit = func(providers.Request) error {
			if locked {
				return &providers.Error{Class: providers.Account, Code: "account", Status: 403}
			}

			return nil
		}

		g := b.start(t)
		for range 20 {
			b.pass(t, 31*time.Second)
		}

		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)

		locked = false
		b.pass(t, time.Minute)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("ARefusalIsFinal", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.submit = func(providers.Request) error {
			return &providers.Error{Class: providers.Rejected, Code: string(generation.FailureInvalidRequest), Status: 422}
		}

		g := b.start(t)
		require.Equal(t, generation.StatusFailed, g.Status)
		require.Equal(t, generation.FailureInvalidRequest, g.FailureCode)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("AJobThatDiesSettlesItsGeneration", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		b.provider.submit = func(providers.Request) error { return errors.New("always") }

		g := b.start(t)
		for range 12 {
			b.pass(t, 2*time.Minute)
		}

		g = b.get(t, g.ID)
		require.Equal(t, generation.StatusFailed, g.Status)
		require.Equal(t, generation.FailureProviderError, g.FailureCode)
		b.check(t)
	})
}
