// Package batcher does for many, in one round trip, what each could do in one of its own.
package batcher

import "sync"

// Batcher gives what is added to Do: whatever came while a batch was under way goes into the next, so the
// first goes alone and at once. The fields are set before the first Add. Safe for concurrent use.
type Batcher[T any] struct {
	// Do does everything for a batch and returns when the next may follow.
	Do func(batch []T)
	// Max is how many go at once; zero: 500.
	Max int
	// Lines is how many batches may be under way at once; zero: 1.
	Lines int
	// Room is how many may wait; zero: any number.
	Room int

	mu      sync.Mutex
	lines   int // under way
	waiting []T
	idle    []chan struct{} // closed when nothing waits and nothing is under way
}

const defaultMax = 500

// Add hands over items to be done, on another goroutine. It reports false, and takes none, when there is no
// room for them.
func (b *Batcher[T]) Add(items ...T) bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.Room > 0 && len(b.waiting)+len(items) > b.Room {
		return false
	}

	b.waiting = append(b.waiting, items...)

	if len(b.waiting) > 0 && b.lines < max(b.Lines, 1) {
		b.lines++

		go b.runBatches()
	}

	return true
}

// runBatches does batches until nothing waits.
func (b *Batcher[T]) runBatches() {
	for {
		batch := b.takeBatch()
		if len(batch) == 0 {
			return
		}

		b.Do(batch)
	}
}

func (b *Batcher[T]) takeBatch() []T {
	b.mu.Lock()
	defer b.mu.Unlock()

	most := b.Max
	if most == 0 {
		most = defaultMax
	}

	n := min(len(b.waiting), most)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]

	if n == 0 {
		b.waiting = nil
		b.lines--

		if b.lines == 0 {
			for _, c := range b.idle {
				close(c)
			}

			b.idle = nil
		}
	}

	return batch
}

// Idle returns what is closed when nothing waits and nothing is under way.
func (b *Batcher[T]) Idle() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()

	c := make(chan struct{})
	if b.lines == 0 {
		close(c)
	} else {
		b.idle = append(b.idle, c)
	}

	return c
}
