package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

func TestWatch(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)

	said := providers.Status{State: providers.StateQueued, QueuePosition: new(3)}
	b.provider.poll = func() providers.Status { return said }
	b.pass(t, 5*time.Second)
	require.Equal(t, g.StatusSequence, b.get(t, g.ID).StatusSequence, "nobody looks, so nobody asks")

	// A look of somebody else's is none.
	require.NoError(t, b.Watch(t.Context(), uuid.New(), g.ID))
	b.jobs.RunAll(t.Context())
	require.Equal(t, g.StatusSequence, b.get(t, g.ID).StatusSequence)
	b.watches.looking.Store(false)

	require.NoError(t, b.Watch(t.Context(), b.user, g.ID))
	b.jobs.RunAll(t.Context())
	require.Equal(t, g.StatusSequence+1, b.get(t, g.ID).StatusSequence)

	var seen []float64

	for _, percent := range []float64{0, 0.01, 0.25, 0.27, 0.1, 0.75} {
		said = providers.Status{State: providers.StateRunning, Progress: &percent}
		b.pass(t, time.Second)

		if p := b.get(t, g.ID).Progress; p != nil {
			seen = append(seen, *p)
		}
	}

	require.Equal(t, []float64{0, 0, 0.25, 0.25, 0.25, 0.75}, seen, "it only rises, and small steps are no news")
	require.Equal(t, g.StatusSequence+4, b.get(t, g.ID).StatusSequence)

	events, err := b.Events(t.Context(), b.user, g.ID, g.StatusSequence)
	require.NoError(t, err)
	require.Len(t, events, 4)

	for _, e := range events {
		require.Equal(t, generation.StatusRunning, e.Status)
	}

	b.provider.finish(t, 0)
	b.pass(t, time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	require.Nil(t, b.get(t, g.ID).Progress)
	b.check(t)
}

// Whoever looks on at several has the collector of each look.
func TestWatch_OfSeveral(t *testing.T) {
	t.Parallel()

	b := setup(t)
	first, second := b.start(t), b.start(t)
	b.provider.poll = func() providers.Status { return providers.Status{State: providers.StateRunning, Progress: new(0.5)} }

	require.NoError(t, b.Watch(t.Context(), b.user))
	b.now.Move(time.Second)
	b.jobs.RunAll(t.Context())

	for _, g := range []generation.Generation{first, second} {
		require.NotNil(t, b.get(t, g.ID).Progress)
	}
}

// What is told of a model that starts over does not go back, and goes on when it is further.
func TestWatch_ProgressNeverGoesBack(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.watches.looking.Store(true)
	b.provider.poll = func() providers.Status { return providers.Status{State: providers.StateRunning, Progress: new(0.5)} }
	b.pass(t, 30*time.Second)
	require.NotNil(t, b.get(t, g.ID).Progress)

	b.provider.failed["request-a"] = errModel
	b.pass(t, time.Second)
	delete(b.provider.failed, "request-a")
	b.provider.poll = func() providers.Status { return providers.Status{State: providers.StateRunning} }
	b.pass(t, 20*time.Second)
	require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
	require.InDelta(t, 0.5, *b.get(t, g.ID).Progress, 0)

	for _, said := range []float64{0.25, 0.75} {
		b.provider.poll = func() providers.Status { return providers.Status{State: providers.StateRunning, Progress: &said} }
		b.pass(t, 2*time.Second)
		require.InDelta(t, max(0.5, said), *b.get(t, g.ID).Progress, 0)
	}
}

// A place that goes up and down at each look is told once a second, and that it has begun at once.
func TestWatch_APlaceThatFlapsIsWrittenOnceASecond(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.PollEvery = 100 * time.Millisecond })
	g := b.start(t)
	b.watches.looking.Store(true)

	place := 3
	b.provider.poll = func() providers.Status {
		place = 7 - place // 3, 4, 3, 4 …

		return providers.Status{State: providers.StateQueued, QueuePosition: new(place)}
	}
	b.pass(t, 30*time.Second)
	require.Equal(t, g.StatusSequence+1, b.get(t, g.ID).StatusSequence)

	look := func() { // whoever comes to watch wakes the job, so looks may be close
		b.now.Move(100 * time.Millisecond)
		b.jobs.Advance(time.Second)
		b.jobs.RunAll(t.Context())
	}

	for range 35 {
		look()
	}

	require.Equal(t, g.StatusSequence+1+3, b.get(t, g.ID).StatusSequence)
	before := b.get(t, g.ID).StatusSequence

	b.provider.poll = func() providers.Status { return providers.Status{State: providers.StateRunning, Progress: new(0.0)} }
	look()
	require.NotNil(t, b.get(t, g.ID).Progress)
	require.Equal(t, before+1, b.get(t, g.ID).StatusSequence)
}
