// Package breaker keeps generations from a model that fails in a row, and submits from a provider that refuses our account.
package breaker

import (
	"sync"
	"time"

	"imagerun/internal/clock"
)

// How long submits wait after the provider refused our account: longer each time in a row, since
// a gateway may refuse once what it takes a second later.
const (
	accountPauseMin = time.Second
	accountPauseMax = 30 * time.Second
)

// Account keeps submits from a provider that refuses our key or finds our balance empty:
// that is our trouble, never a user's. Each process has its own; that costs one refused call a
// process and pause.
type Account struct {
	now clock.Now

	mu    sync.Mutex
	until time.Time     // guarded by mu
	pause time.Duration // guarded by mu; the last one
}

// NewAccount returns one that is closed.
func NewAccount(now clock.Now) *Account { return &Account{now: now} }

// Wait returns how long it is open still; zero: closed.
func (b *Account) Wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	return max(0, b.until.Sub(b.now()))
}

// Trip opens it and returns for how long.
func (b *Account) Trip() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	if now := b.now(); !b.until.After(now) { // those that were under way at a refusal are no news
		b.pause = min(max(2*b.pause, accountPauseMin), accountPauseMax)
		b.until = now.Add(b.pause)
	}

	return b.pause
}

// Reset closes it.
func (b *Account) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.until, b.pause = time.Time{}, 0
}
