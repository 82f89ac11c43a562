package generation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

var errModel = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}

// trip has a model fail five times in a row, over several generations, and returns how many
// requests that took.
func (b *bundle) trip(t *testing.T) int {
	t.Helper()

	b.provider.failAll = errModel

	for range 2 {
		g := b.start(t)
		for range 6 {
			b.pass(t, 40*time.Second)
		}

		require.NotEqual(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	}

	degraded, err := b.Degraded(t.Context())
	require.NoError(t, err)
	require.Contains(t, degraded, "z-image-turbo")

	b.provider.failAll = nil

	return b.provider.asked()
}

func TestBreaker(t *testing.T) {
	t.Parallel()

	t.Run("AnOpenModelIsLeftAloneUntilOneProbeSucceeds", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		n := b.trip(t)

		// Two more wait behind one probe; nobody fails.
		first, second := b.submit(t), b.submit(t)
		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())
		b.pass(t, 20*time.Second)
		require.Equal(t, n+1, b.provider.asked(), "one probe each pause")

		b.provider.finish(t, n)
		b.pass(t, 20*time.Second) // the probe is collected
		b.pass(t, 20*time.Second) // the other's pause is over

		degraded, err := b.Degraded(t.Context())
		require.NoError(t, err)
		require.Empty(t, degraded, "the first success closes it")
		require.Equal(t, n+2, b.provider.asked())
		b.provider.finish(t, n+1)
		b.pass(t, 40*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, first.ID).Status)
		require.Equal(t, generation.StatusSucceeded, b.get(t, second.ID).Status)
		b.check(t)
	})

	t.Run("AFailedProbeKeepsItOpen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		n := b.trip(t)
		b.provider.failAll = errModel
		b.start(t) // the probe
		b.pass(t, 15*time.Second)
		b.pass(t, 10*time.Second)
		require.Equal(t, n+1, b.provider.asked(), "the next probe is not yet due")
		b.pass(t, 10*time.Second) // the probe ends
		b.pass(t, 10*time.Second) // and is tried again as the next
		require.Equal(t, n+2, b.provider.asked())

		degraded, err := b.Degraded(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, degraded)
		b.check(t)
	})

	t.Run("WhatAUserAllowsIsUsedInstead", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		n := b.trip(t) + 1
		b.start(t) // the probe

		allowed := b.start(t, func(s *generation.Submission) {
			s.FallbackModels = []string{"flux-schnell"}
			s.OutputFormat = new("png")
		})
		require.Equal(t, n+1, b.provider.asked())
		require.Equal(t, "fal-ai/flux/schnell", b.provider.requests[n].Endpoint)
		b.provider.finish(t, n)
		b.pass(t, 30*time.Second)

		g := b.get(t, allowed.ID)
		require.Equal(t, generation.StatusSucceeded, g.Status)
		require.Equal(t, "z-image-turbo", g.Model)
		require.Equal(t, "flux-schnell", g.ServedModel, "the receipt shows it")
		b.check(t)
	})

	t.Run("TwoFailuresOfTheModelGoToTheOneAllowed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t, func(s *generation.Submission) { s.FallbackModels = []string{"flux-dev"}; s.OutputFormat = new("png") })
		b.provider.failed["request-a"], b.provider.failed["request-b"] = errModel, errModel

		for range 4 {
			b.pass(t, 40*time.Second)
		}

		require.Equal(t, 3, b.provider.asked())
		require.Equal(t, "fal-ai/z-image/turbo", b.provider.requests[1].Endpoint)
		require.Equal(t, "fal-ai/flux/dev", b.provider.requests[2].Endpoint)
		b.provider.finish(t, 2)
		b.pass(t, 40*time.Second)
		require.Equal(t, "flux-dev", b.get(t, g.ID).ServedModel)
		b.check(t)
	})

	t.Run("ARefusalIsNoFailureAndNoReasonToGoElsewhere", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.failAll = &providers.Error{Class: providers.Rejected, Code: string(generation.FailurePromptRejected), Status: 422}

		for range 6 {
			g := b.start(t, func(s *generation.Submission) { s.FallbackModels = []string{"flux-dev"}; s.OutputFormat = new("png") })
			b.pass(t, 40*time.Second)
			require.Equal(t, generation.StatusBlocked, b.get(t, g.ID).Status)
		}

		require.Equal(t, 6, b.provider.asked())

		degraded, err := b.Degraded(t.Context())
		require.NoError(t, err)
		require.Empty(t, degraded)
		b.check(t)
	})
}

func TestSubmitJob_ABusyProviderCostsNobodyAnything(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
	b.provider.submit = func(providers.Request) error {
		return &providers.Error{Class: providers.Busy, Code: string(generation.FailureProviderError), Status: 429}
	}
	g := b.start(t)

	for range 60 {
		b.pass(t, 20*time.Second)
	}

	require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status, "twenty minutes of 429 are no failure")

	b.provider.submit = nil
	b.pass(t, 20*time.Second)
	b.provider.finish(t, 0)
	b.pass(t, 30*time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	b.check(t)
}

func TestCollectJob_AProviderThatCannotBeAskedCostsNobodyAnything(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
	g := b.start(t)
	b.provider.failed["request-a"] = &providers.Error{Class: providers.Transient, Code: string(generation.FailureProviderError), Status: 502}

	for range 60 {
		b.pass(t, 20*time.Second)
	}

	require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)

	delete(b.provider.failed, "request-a")
	b.provider.finish(t, 0)
	b.pass(t, time.Minute)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	require.Equal(t, 1, b.provider.asked())
	b.check(t)
}
