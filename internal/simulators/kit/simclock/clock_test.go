package simclock_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/simclock"
)

func TestClock_LetsHappenWhatIsDueInItsOrder(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

	var (
		mu       sync.Mutex
		happened []string
		settled  []time.Duration
	)

	c := simclock.New(&mu, func() time.Time { return start }, func(at time.Time) { settled = append(settled, at.Sub(start)) })
	defer func() { mu.Lock(); c.Stop(); mu.Unlock() }()

	mu.Lock()
	c.At(start.Add(2*time.Hour), func() { happened = append(happened, "second") })
	c.At(start.Add(time.Hour), func() {
		happened = append(happened, "first")
		c.At(start.Add(2*time.Hour), func() { happened = append(happened, "third") })
	})
	c.At(start.Add(4*time.Hour), func() { happened = append(happened, "late") })
	mu.Unlock()

	c.Move(3 * time.Hour)
	require.Equal(t, []string{"first", "second", "third"}, happened)
	require.Equal(t, []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour, 2 * time.Hour}, settled)
	require.Equal(t, start.Add(3*time.Hour), c.Now())

	mu.Lock()
	c.Clear()
	mu.Unlock()

	c.Move(3 * time.Hour)
	require.NotContains(t, happened, "late", "it was forgotten")
	require.Equal(t, start.Add(6*time.Hour), c.Now())
}

func TestClock_WakesByItself(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex

		c, woken := simclock.New(&mu, nil, nil), make(chan time.Time, 1)
		due := c.Now().Add(time.Hour)

		mu.Lock()
		c.At(due, func() { woken <- c.Now() })
		c.Advance()
		mu.Unlock()

		require.Equal(t, due, <-woken)
	})
}
