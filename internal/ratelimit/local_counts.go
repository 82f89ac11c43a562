package ratelimit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// localCounts counts in this process.
type localCounts struct {
	mu   sync.Mutex                        // guards free
	free *simplelru.LRU[string, time.Time] // when nothing of a quota is used any more
}

func newLocal(size int) *localCounts {
	lru, err := simplelru.NewLRU[string, time.Time](size, nil)
	if err != nil {
		panic(err) // the size is not positive
	}

	return &localCounts{free: lru}
}

// allowLocally is what the script does.
func (c *localCounts) allowLocally(now time.Time, keys []string, limits []Limit, n int) (allowed int, leads []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	leads = make([]time.Duration, len(limits))

	for i, l := range limits {
		if free, ok := c.free.Get(keys[i]); ok {
			leads[i] = min(max(free.Sub(now), 0), l.refillTime())
		}
	}

	allowed, leads = applyLimits(limits, leads, n)
	if allowed > 0 {
		c.set(now, keys, leads)
	}

	return allowed, leads
}

// giveBack is what the other script does.
func (c *localCounts) giveBack(now time.Time, keys []string, limits []Limit) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for i, l := range limits {
		if free, ok := c.free.Get(keys[i]); ok {
			c.free.Add(keys[i], now.Add(max(min(free.Sub(now), l.refillTime())-l.emissionInterval(), 0)))
		}
	}
}

// storeLeads takes over what Redis has counted, so that its absence gives no subject a second quota.
func (c *localCounts) storeLeads(now time.Time, keys []string, leads []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.set(now, keys, leads)
}

func (c *localCounts) set(now time.Time, keys []string, leads []time.Duration) {
	for i, k := range keys {
		c.free.Add(k, now.Add(leads[i]))
	}
}
