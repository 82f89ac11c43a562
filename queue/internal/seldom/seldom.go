// Package seldom keeps loops from saying the same thing again and again: they meet a trouble at
// every turn until it ends.
package seldom

import (
	"sync"
	"time"
)

// Every is how often one and the same trouble is told about.
const Every = 30 * time.Second

// Gate lets one call in half a minute through. The zero value lets the first. It may be used by
// many goroutines.
type Gate struct {
	mu     sync.Mutex
	next   time.Time
	unsaid int
}

// Allow reports whether to speak now, and how often that was refused since the last time.
func (g *Gate) Allow() (unsaid int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	now := time.Now()
	if now.Before(g.next) {
		g.unsaid++

		return 0, false
	}

	unsaid, g.unsaid, g.next = g.unsaid, 0, now.Add(Every)

	return unsaid, true
}
