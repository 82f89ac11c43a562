package durable

import (
	"context"
	"log/slog"
	"sync"

	"imagerun/queue/internal/seldom"
)

// complaints remembers what was told when.
type complaints struct {
	mu   sync.Mutex
	told map[string]*seldom.Gate
}

// allow reports whether to tell of what now, and how often that was refused since the last time.
func (c *complaints) allow(what string) (unsaid int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.told == nil {
		c.told = map[string]*seldom.Gate{}
	}

	if c.told[what] == nil {
		c.told[what] = &seldom.Gate{}
	}

	return c.told[what].Allow()
}

// complain logs, seldom, what a loop could not do, unless it is only being stopped.
func (q *Queue) complain(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}

	if unsaid, ok := q.complaints.allow(what); ok {
		q.log.WarnContext(ctx, what, slog.Any("error", err), slog.Int("unsaid", unsaid)) //nolint:sloglint // each caller's text is constant
	}
}
