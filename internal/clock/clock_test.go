package clock_test

import (
	"context"
	"errors"
	"log/slog"
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

func TestCorrected(t *testing.T) {
	t.Parallel()

	away := errors.New("database is away")
	least, most, err := time.Duration(0), time.Duration(0), away
	c := clock.NewCorrected(func(context.Context) (time.Duration, time.Duration, error) { return least, most, err }, slog.New(slog.DiscardHandler))

	require.ErrorIs(t, c.Measure(t.Context()), away)
	require.WithinDuration(t, time.Now(), c.Now(), time.Minute)

	for _, m := range []struct{ least, most, skew time.Duration }{
		{-time.Second, time.Second, 0}, // they may agree
		{time.Hour, time.Hour + time.Second, time.Hour},
		{time.Hour - time.Second, time.Hour + time.Minute, time.Hour}, // a slow answer proves nothing new
		{0, time.Minute, time.Minute},
		{-time.Minute, -time.Second, -time.Second},
		{time.Hour, time.Hour, time.Hour},
	} {
		least, most, err = m.least, m.most, nil
		require.NoError(t, c.Measure(t.Context()))
		require.Equal(t, m.skew, c.Skew())
		require.WithinDuration(t, time.Now().Add(m.skew), c.Now(), time.Minute)
	}

	least, most, err = 0, 0, away
	require.ErrorIs(t, c.Measure(t.Context()), away)
	require.Equal(t, time.Hour, c.Skew(), "what was measured last")
}
