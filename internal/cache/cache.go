// Package cache keeps what was read a moment ago, for readers that a moment does not matter to.
package cache

import (
	"context"
	"sync"
	"time"

	"imagerun/internal/clock"
)

// Value is the latest reading of something, stale while revalidate: at most one caller reads it anew;
// meanwhile the others have the one before, and wait only where there is none that may still be given. Safe for
// concurrent use. A caller must not hold what the reading needs, such as a connection of its pool.
type Value[T any] struct {
	// Load reads it.
	Load func(context.Context) (T, error)
	// Now is the clock.
	Now clock.Now
	// Fresh is the age up to which a reading is given without another one.
	Fresh time.Duration
	// Stale is the age up to which a reading is given while another one is under way.
	Stale time.Duration

	mu      sync.Mutex
	value   T             // guarded by mu; never changed once it is here
	at      time.Time     // guarded by mu; when its reading began; zero: there is none
	loading chan struct{} // guarded by mu; closed when the reading under way ends; nil: none is
}

// Get returns the value. The error is that of Load, or of ctx.
func (v *Value[T]) Get(ctx context.Context) (T, error) {
	for waited := false; ; waited = true {
		value, wait, load := v.look(waited)

		switch {
		case load:
			return v.load(ctx)
		case wait == nil:
			return value, nil
		}

		select {
		case <-wait: // if it came to nothing, this caller is the next to try
		case <-ctx.Done():
			return value, context.Cause(ctx)
		}
	}
}

// look returns the value, or what to wait for, or that the caller is to read it. Who has waited for
// a reading takes it, however long it took: else a slow one would never be good enough.
func (v *Value[T]) look(waited bool) (value T, wait <-chan struct{}, load bool) {
	v.mu.Lock()
	defer v.mu.Unlock()

	age := v.Now().Sub(v.at)
	known := !v.at.IsZero() && age >= 0

	switch {
	case known && (age < v.Fresh || waited && age < v.Stale):
		return v.value, nil, false
	case v.loading == nil:
		v.loading = make(chan struct{})

		return v.value, nil, true
	case known && age < v.Stale:
		return v.value, nil, false
	default:
		return v.value, v.loading, false
	}
}

func (v *Value[T]) load(ctx context.Context) (value T, err error) {
	at, done := v.Now(), false

	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()

		if done && err == nil {
			v.value, v.at = value, at
		}

		close(v.loading)
		v.loading = nil
	}()

	value, err = v.Load(ctx)
	done = true

	return value, err
}
