// Package simclock is the clock of a simulator: it tells the hour, lets happen what is due in its order,
// and can be moved ahead.
//
// What something has become is worked out when a caller asks, so what waits costs an entry in a heap and
// nothing else; one timer wakes the simulator for what happens by itself, such as webhooks.
package simclock

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"
)

// Clock tells a simulator's time. Its lock is the simulator's: events happen with it held.
type Clock struct {
	machine func() time.Time
	ahead   atomic.Int64 // nanoseconds that the clock was moved

	lock   sync.Locker // guards all below
	settle func(time.Time)
	events eventHeap
	seq    int64
	timer  *time.Timer
	ended  bool
}

// New makes a clock that goes as another does; nil: the machine's. Settle, if there is one, is called with
// the lock held before what is due happens, and after each event with the event's hour: for what depends on
// more than the time, such as a free slot.
func New(lock sync.Locker, machine func() time.Time, settle func(time.Time)) *Clock {
	if machine == nil {
		machine = time.Now
	}

	if settle == nil {
		settle = func(time.Time) {}
	}

	return &Clock{machine: machine, lock: lock, settle: settle}
}

// Now is the simulator's hour. It needs no lock.
func (c *Clock) Now() time.Time { return c.machine().Add(time.Duration(c.ahead.Load())) }

// Move sets the clock ahead, and lets happen what that makes due.
func (c *Clock) Move(d time.Duration) {
	c.ahead.Add(int64(d))
	c.Tick()
}

// Tick has the simulator look at its clock: call it after moving the clock that this one goes by.
func (c *Clock) Tick() {
	c.lock.Lock()
	defer c.lock.Unlock()

	c.Advance()
}

// At has fire called, with the lock held, when the clock passes t. The caller holds the lock.
func (c *Clock) At(t time.Time, fire func()) {
	c.seq++
	heap.Push(&c.events, event{at: t, seq: c.seq, fire: fire})
}

// Advance lets everything happen that is due, in its order, and sets the timer for the next. The caller
// holds the lock.
func (c *Clock) Advance() {
	now := c.Now()
	c.settle(now)

	for len(c.events) > 0 && !c.events[0].at.After(now) {
		e, _ := heap.Pop(&c.events).(event)
		e.fire()
		c.settle(e.at)
	}

	if c.timer != nil {
		c.timer.Stop()
	}

	if len(c.events) > 0 && !c.ended {
		c.timer = time.AfterFunc(max(c.events[0].at.Sub(now), time.Millisecond), c.Tick)
	}
}

// Clear forgets what is due. The hour stays: clients that have read it must not see it go back. The caller
// holds the lock.
func (c *Clock) Clear() { c.events, c.seq = nil, 0 }

// Stop ends the timer for good. The caller holds the lock.
func (c *Clock) Stop() {
	c.ended = true

	if c.timer != nil {
		c.timer.Stop()
	}
}
