package durable

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// complainEvery is how often one and the same trouble is told about: the loops meet it again and
// again until it ends.
const complainEvery = 30 * time.Second

// complaints remembers what was told when.
type complaints struct {
	mu   sync.Mutex
	told map[string]*complaint
}

type complaint struct {
	next   time.Time
	unsaid int
}

// allow reports whether to tell of what now, and how often that was refused since the last time.
func (c *complaints) allow(what string) (unsaid int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.told == nil {
		c.told = map[string]*complaint{}
	}

	last := c.told[what]
	if last == nil {
		last = &complaint{}
		c.told[what] = last
	}

	now := time.Now()
	if now.Before(last.next) {
		last.unsaid++

		return 0, false
	}

	unsaid, last.unsaid, last.next = last.unsaid, 0, now.Add(complainEvery)

	return unsaid, true
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
