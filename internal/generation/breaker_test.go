package generation_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/queue"
	"imagerun/queue/queuetest"
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
		b.admit(t)
		b.pass(t, 20*time.Second)
		require.Equal(t, n+1, b.provider.asked(), "one probe each pause")

		b.provider.finish(t, n)
		b.pass(t, 20*time.Second) // the probe is collected
		b.admit(t)

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

	t.Run("ItTakesNobodysSlot", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Slots = 2 })
		n := b.trip(t) + 1
		b.start(t) // the probe

		waiting := []generation.Generation{b.submit(t), b.submit(t), b.submit(t)}
		other := b.submit(t, func(s *generation.Submission) { s.Model = "flux-dev" })
		b.admit(t)
		require.Equal(t, n+1, b.provider.asked())
		require.Equal(t, generation.StatusRunning, b.get(t, other.ID).Status, "a model that works has its turn")

		// When the next probe is due, one is tried and the rest give their slots back at once.
		b.now.Move(31 * time.Second)
		b.admit(t)

		for _, g := range waiting {
			require.NotNil(t, b.get(t, g.ID).QueuePosition, "it waits in line")
		}

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

// Every connection of a worker may be held by a submit that wants to know which models are open.
func TestBreaker_ALookWithinATransactionNeedsNoSecondConnection(t *testing.T) {
	t.Parallel()

	b := setup(t)

	cfg := b.pool.Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	registry := queue.NewRegistry(jobs.Kinds())
	b.jobs = queuetest.New(t, b.pool, registry)

	deps := b.deps
	deps.Pool, deps.Queue = pool, b.jobs.Queue()
	b.Service = phases.New(deps)
	b.Register(registry)

	g := b.submit(t)
	_, err = b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	b.jobs.RunAll(ctx)
	require.NoError(t, ctx.Err())
	require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
}

func TestBreaker_WhatSaysNothingOfTheModelIsNotCounted(t *testing.T) {
	t.Parallel()

	failures := func(t *testing.T, b *bundle) (n int) {
		t.Helper()
		require.NoError(t, b.pool.QueryRow(t.Context(), `select coalesce(sum(failures), 0) from model_breaker`).Scan(&n))

		return n
	}

	t.Run("ADeadlineThatItsUserChose", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.start(t, func(s *generation.Submission) { s.DeadlineSeconds = new(30) })
		b.now.Move(30 * time.Second) // and the sweep of the deadlines has not come by yet
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureTimeout), Status: 504}
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())
		require.Zero(t, failures(t, b))
	})

	t.Run("AWorkerThatStops", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.submit(t)
		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)

		b.provider.submit = func(providers.Request) error {
			b.jobs.Stop()

			return &providers.Error{Class: providers.Unknown, Code: "canceled"}
		}

		require.True(t, b.jobs.RunNext(t.Context()))
		require.Zero(t, failures(t, b))
	})

	t.Run("AProviderWithoutRoom", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		busy := 2
		b.provider.submit = func(providers.Request) error {
			if busy--; busy >= 0 {
				return &providers.Error{Class: providers.Busy, Code: string(generation.FailureProviderError), Status: 429}
			}

			return nil
		}
		b.start(t, func(s *generation.Submission) { s.FallbackModels, s.OutputFormat = []string{"flux-dev"}, new("png") })

		for range 4 {
			b.pass(t, 20*time.Second)
		}

		require.Equal(t, 1, b.provider.asked())
		require.Equal(t, "fal-ai/z-image/turbo", b.provider.requests[0].Endpoint, "it is still the one to ask")
		require.Zero(t, failures(t, b))
	})
}

func TestBreaker_AModelThatIsNoMoreIsNotOpen(t *testing.T) {
	t.Parallel()

	b := setup(t)
	_, err := b.pool.Exec(t.Context(), `insert into model_breaker (model, failures, opened_at) values ('gone', 9, now()), ('flux-dev', 9, now())`)
	require.NoError(t, err)

	degraded, err := b.Degraded(t.Context())
	require.NoError(t, err)
	require.Contains(t, degraded, "flux-dev")
	require.NotContains(t, degraded, "gone")
}

func TestRunDeadlines_KeepsTheMetricOfFailingModels(t *testing.T) {
	t.Parallel()

	b := setup(t)
	open := func() float64 {
		registry := prometheus.NewRegistry()
		registry.MustRegister(b.Collectors()...)

		families, err := registry.Gather()
		require.NoError(t, err)

		for _, f := range families {
			if f.GetName() == "imagerun_model_breaker_open" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}

		return 0
	}

	var running sync.WaitGroup

	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { b.RunDeadlines(ctx, 10*time.Millisecond) })
	t.Cleanup(running.Wait)
	t.Cleanup(stop)

	// Another process opens it, and another one closes it.
	for _, step := range []struct {
		sql  string
		want float64
	}{
		{`insert into model_breaker (model, failures, opened_at) values ('flux-dev', 5, now())`, 1},
		{`delete from model_breaker`, 0},
	} {
		_, err := b.pool.Exec(t.Context(), step.sql)
		require.NoError(t, err)
		require.Eventually(t, func() bool { b.now.Move(time.Second); return open() == step.want }, 10*time.Second, 10*time.Millisecond)
	}
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
