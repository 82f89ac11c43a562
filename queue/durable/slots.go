package durable

import (
	"slices"
	"sync"
	"time"
)

const (
	// While handlers take no longer than quickHandler, jobs are claimed before there is a slot for them, as many as
	// maxAhead for each slot: claiming them is most of the work then.
	quickHandler = 5 * time.Millisecond
	maxAhead     = 4
	// A claimed job that waits longer than this for a slot is given to another worker: a long handler came
	// in between.
	maxSlotWait = 250 * time.Millisecond
	// tasks for each slot that may be taken and not answered for yet, their handlers having returned or not
	maxOpen = 10
)

// Slots bound how many handlers of a worker run at once, and with that how many tasks it takes.
// Safe for concurrent use.
type Slots struct {
	size  int
	freed chan struct{} // capacity 1

	// mu guards what is counted, and what waits.
	mu      sync.Mutex
	open    int           // taken, and not answered for
	held    int           // of these, whose handlers have not returned
	running int           // of these, whose handlers have been called
	waiting []*run        // claimed, for a slot; the oldest first
	took    time.Duration // by a handler: moving average
	ahead   int           // may be held before there is a slot for them
	expiry  *time.Timer   // of the oldest that waits; nil: none
}

// NewSlots returns slots for n handlers at once.
func NewSlots(n int) *Slots { return &Slots{size: n, freed: make(chan struct{}, 1)} }

// Free returns how many tasks may be taken now.
func (s *Slots) Free() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return max(min(s.size+s.ahead-s.held, s.size*maxOpen-s.open), 0)
}

// Take has n tasks count as taken. Each must be given to [Runner.Start], or given back.
func (s *Slots) Take(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.held += n
	s.open += n
}

// GiveBack has n tasks, which were not started, count as taken no longer.
func (s *Slots) GiveBack(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.held -= n
	s.open -= n
	s.signalFreed()
}

// Freed receives when more tasks may be taken than before.
func (s *Slots) Freed() <-chan struct{} { return s.freed }

func (s *Slots) signalFreed() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// acquireOrWait reports whether there is a slot for a claimed job; else it waits, and is called or returned later.
func (s *Slots) acquireOrWait(u *run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.running < s.size {
		s.running++

		return true
	}

	s.waiting = append(s.waiting, u)

	if s.expiry == nil {
		s.expiry = time.AfterFunc(maxSlotWait, s.expireWaiting)
	}

	return false
}

// freeSlot frees the slot of a handler that has returned, and calls the next.
func (s *Slots) freeSlot(took time.Duration) {
	s.mu.Lock()

	s.took += (took - s.took) / 16
	s.running--
	s.held--

	if s.ahead = 0; s.took < quickHandler {
		s.ahead = maxAhead * s.size
	}

	next := s.nextWaiting()

	s.signalFreed()
	s.mu.Unlock()

	if next != nil {
		next.r.callHandler(next)
	}
}

// nextWaiting returns the job that has waited for longest, if there is a slot for it.
func (s *Slots) nextWaiting() *run {
	if len(s.waiting) == 0 || s.running >= s.size {
		return nil
	}

	next := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.running++

	return next
}

// uncountHeld has a task count as held no longer whose handler will not be called.
func (s *Slots) uncountHeld() {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.held--
	s.signalFreed()
}

// uncountOpen has a task count as open no longer.
func (s *Slots) uncountOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.open--
	s.signalFreed()
}

// expireWaiting gives jobs to other workers that have waited for too long.
func (s *Slots) expireWaiting() {
	s.mu.Lock()

	n := 0
	for n < len(s.waiting) && time.Since(s.waiting[n].started) >= maxSlotWait {
		n++
	}

	late := s.waiting[:n]
	s.waiting = s.waiting[n:]

	if n > 0 {
		s.ahead = 0
	}

	s.expiry = nil
	if len(s.waiting) > 0 {
		s.expiry = time.AfterFunc(maxSlotWait-time.Since(s.waiting[0].started), s.expireWaiting)
	}

	s.mu.Unlock()

	for _, u := range late {
		go u.r.unclaimJob(u)
	}
}

// withdrawWaiting reports whether a job waits for a slot; it waits no longer then.
func (s *Slots) withdrawWaiting(u *run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	i := slices.Index(s.waiting, u)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}

	return i >= 0
}
