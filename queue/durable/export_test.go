package durable

import (
	"context"
	"time"
)

// SweepAt returns the pass of a sweeper whose clock is the test's.
func SweepAt(q *Queue) func(context.Context, time.Time) {
	s := newSweeper(q)

	return func(ctx context.Context, now time.Time) {
		s.now = func() time.Time { return now }
		s.runOnce(ctx)
	}
}
