package generation

import (
	"sync"
	"time"

	"imagerun/internal/clock"
)

// accountPause is how long submits wait after the provider refused our account.
const accountPause = 30 * time.Second

// accountBreaker keeps submits from a provider that refuses our key or finds our balance empty:
// that is our trouble, never a user's. Each process has its own; that costs one refused call a
// process and pause.
type accountBreaker struct {
	now clock.Now

	mu    sync.Mutex
	until time.Time // guarded by mu
}

// wait returns how long it is open still; zero: closed.
func (b *accountBreaker) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	return max(0, b.until.Sub(b.now()))
}

// trip opens it and returns for how long.
func (b *accountBreaker) trip() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.until = b.now().Add(accountPause)

	return accountPause
}

// reset closes it.
func (b *accountBreaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.until = time.Time{}
}
