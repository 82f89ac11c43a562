// Package clocktest is time for tests: it stands still until it is told to move.
package clocktest

import (
	"sync"
	"time"

	"imagerun/internal/clock"
)

// Clock is a clock that stands still. The zero value is at the year 1; most tests want [New].
type Clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

// New returns a clock that stands at this moment, as precisely as a database keeps it.
func New() *Clock { return At(clock.System()) }

// At returns a clock that stands at a time.
func At(t time.Time) *Clock { return &Clock{at: t} }

// Now is the time, a [clock.Now].
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.at
}

// Move lets time pass; negative: it goes back, as clocks that are set do.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.at = c.at.Add(d)
}
