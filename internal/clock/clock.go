// Package clock is where time enters: a Now function that tests replace, and loops that
// neither drift into step with their siblings in other processes nor outlive their context.
package clock

import (
	"context"
	"math/rand/v2"
	"time"
)

// Now returns the present time. Production passes [System]; a nil Now is a programming error.
type Now func() time.Time

// System reads the machine's clock, in UTC, to the microsecond that Postgres keeps.
func System() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Latest is the end of the times that are taken in: RFC 3339, and so JSON, has years of four digits, which a
// time near the end of the year 9999 exceeds in some zone. It leaves room for what is computed from them.
func Latest() time.Time { return time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Jitter returns d changed by a random part of at most fraction (0.2: 80 % to 120 % of d).
func Jitter(d time.Duration, fraction float64) time.Duration {
	return time.Duration(float64(d) * (1 + fraction*(2*rand.Float64()-1))) //nolint:gosec // spreading load, not a secret
}

// Every calls fn at once and then about every d (±10 %) until ctx ends. Calls never overlap.
func Every(ctx context.Context, d time.Duration, fn func(context.Context)) {
	for ctx.Err() == nil {
		fn(ctx)
		Sleep(ctx, Jitter(d, 0.1))
	}
}

// Sleep waits for d. False: ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
