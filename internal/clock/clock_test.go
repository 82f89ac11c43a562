package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
)

func TestEvery(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, runs := time.Now(), 0

		clock.Every(ctx, time.Minute, func(context.Context) {
			if runs++; runs == 11 {
				cancel()
			}
		})

		require.Equal(t, 11, runs, "at once, and then each minute; never after the end")
		require.InDelta(t, 10*time.Minute, time.Since(began), float64(time.Minute))
	})
}

func TestJitter(t *testing.T) {
	t.Parallel()

	for range 1000 {
		d := clock.Jitter(time.Second, 0.2)
		require.InDelta(t, time.Second, d, float64(200*time.Millisecond))
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()

	now := clock.System()
	require.Equal(t, time.UTC, now.Location())
	require.Zero(t, now.Nanosecond()%1000, "no finer than Postgres keeps it")
}
