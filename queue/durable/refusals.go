package durable

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// refusedFor is how long a queue whose push failed is left alone.
const refusedFor = 250 * time.Millisecond

// refusals knows the queues that the engine does not take pushes for, as when the node of a
// cluster that has them is down. Of such a queue one push at a time tries again, and the others
// are left to the relay at once: otherwise they would hold up the pushes of all other queues, each
// for its whole timeout.
type refusals struct {
	mu     sync.Mutex
	queues map[string]*refusal
}

type refusal struct {
	next   time.Time // not to be tried before
	trying bool
}

// ask reports whether to push to a queue now. Who may must say what became of it: [refusals.tell].
func (r *refusals) ask(queue string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	f := r.queues[queue]

	switch {
	case f == nil:
		return true
	case f.trying || time.Now().Before(f.next):
		return false
	default:
		f.trying = true

		return true
	}
}

func (r *refusals) tell(queue string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if err == nil {
		delete(r.queues, queue)

		return
	}

	if r.queues == nil {
		r.queues = map[string]*refusal{}
	}

	r.queues[queue] = &refusal{next: time.Now().Add(refusedFor)}
}

// now returns the queues that are not to be tried at the moment.
func (r *refusals) now() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	names := []string{} // not nil: Postgres would compare with null

	for _, q := range slices.Sorted(maps.Keys(r.queues)) {
		if f := r.queues[q]; f.trying || time.Now().Before(f.next) {
			names = append(names, q)
		}
	}

	return names
}
