// Package loop does something again and again.
package loop

import (
	"context"
	"time"
)

// Every calls fn at once and then each d until ctx ends. Calls never overlap; one that takes longer than d is followed
// by the next at once.
func Every(ctx context.Context, d time.Duration, fn func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()

	for ctx.Err() == nil {
		fn(ctx)

		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}
