package ratelimit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// local counts in this process.
type local struct {
	mu   sync.Mutex
	free *simplelru.LRU[string, time.Time] // when nothing of a quota is used any more; guarded by mu
}

func newLocal(size int) *local {
	lru, err := simplelru.NewLRU[string, time.Time](size, nil)
	if err != nil {
		panic(err) // the size is not positive
	}

	return &local{free: lru}
}

// allow is what the script does.
func (c *local) allow(now time.Time, keys []string, limits []Limit, n int) (allowed int, leads []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	leads = make([]time.Duration, len(limits))

	for i, l := range limits {
		if free, ok := c.free.Get(keys[i]); ok {
			leads[i] = min(max(free.Sub(now), 0), l.span())
		}
	}

	allowed, leads = decide(limits, leads, n)
	if allowed > 0 {
		c.set(now, keys, leads)
	}

	return allowed, leads
}

// giveBack is what the other script does.
func (c *local) giveBack(now time.Time, keys []string, limits []Limit) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i, l := range limits {
		if free, ok := c.free.Get(keys[i]); ok {
			c.free.Add(keys[i], now.Add(max(min(free.Sub(now), l.span())-l.every(), 0)))
		}
	}
}

// remember takes over what Redis has counted, so that its absence gives nobody a second quota.
func (c *local) remember(now time.Time, keys []string, leads []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.set(now, keys, leads)
}

func (c *local) set(now time.Time, keys []string, leads []time.Duration) {
	for i, k := range keys {
		c.free.Add(k, now.Add(leads[i]))
	}
}
