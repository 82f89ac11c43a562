package httpapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

// Estimates are in the resource where they are known, and in what makes its entity tag.
func TestEstimates(t *testing.T) {
	t.Parallel()

	render := func(edit func(*generation.Generation)) (httpapi.Generation, string) {
		g := sample(generation.StatusQueued, 1)
		edit(&g)

		b := setup(t)
		b.get = ofAlice(g)
		w := b.do("GET", "/v1/generations/"+sampleID, "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/generations/{id}", w)

		return decode[httpapi.Generation](t, w), w.Header().Get("ETag")
	}

	start := time.Date(2026, 11, 22, 15, 4, 0, 0, time.UTC)
	unknown, first := render(func(*generation.Generation) {})
	require.Nil(t, unknown.Queue.EstimatedStartAt)
	require.Nil(t, unknown.EstimatedFinishAt)

	known, second := render(func(g *generation.Generation) {
		g.EstimatedStartAt, g.EstimatedFinishAt = &start, new(start.Add(time.Minute))
	})
	require.True(t, known.Queue.EstimatedStartAt.Equal(start))
	require.True(t, known.EstimatedFinishAt.Equal(start.Add(time.Minute)))
	require.NotEqual(t, first, second)

	ahead, _ := render(func(g *generation.Generation) {
		g.Status, g.QueuePosition, g.ProviderPosition = generation.StatusRunning, nil, new(4)
	})
	require.Equal(t, 4, ahead.Queue.Position, "the provider's own queue")
}
