package durable

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// breakerCooldown is how long a queue whose push failed is left alone.
const breakerCooldown = 250 * time.Millisecond

// pushBreaker knows the queues that the engine does not take pushes for, as when the node of a
// cluster that has them is down. Of such a queue one push at a time tries again, and the others
// are left to the relay at once: otherwise they would hold up the pushes of all other queues, each
// for its whole timeout.
type pushBreaker struct {
	mu     sync.Mutex
	queues map[string]*breakerState // those whose last push failed
}

type breakerState struct {
	next   time.Time // not to be tried before
	trying bool
}

// Allow reports whether to push to a queue now. A caller that may must say what became of it: [pushBreaker.Record].
func (b *pushBreaker) Allow(queue string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	s := b.queues[queue]

	switch {
	case s == nil:
		return true
	case s.trying || time.Now().Before(s.next):
		return false
	default:
		s.trying = true

		return true
	}
}

// Record says what became of a push: an error opens the breaker of the queue, success closes it.
func (b *pushBreaker) Record(queue string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if err == nil {
		delete(b.queues, queue)

		return
	}

	if b.queues == nil {
		b.queues = map[string]*breakerState{}
	}

	b.queues[queue] = &breakerState{next: time.Now().Add(breakerCooldown)}
}

// Open returns the queues that are not to be tried at the moment.
func (b *pushBreaker) Open() []string {
	b.mu.Lock()
	defer b.mu.Unlock()

	names := []string{} // not nil: Postgres would compare with null

	for _, q := range slices.Sorted(maps.Keys(b.queues)) {
		if s := b.queues[q]; s.trying || time.Now().Before(s.next) {
			names = append(names, q)
		}
	}

	return names
}
