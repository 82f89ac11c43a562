// Package logthrottle keeps a loop from logging the same warning at every turn until what it warns of has ended.
package logthrottle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Every is how often one and the same message is logged.
const Every = 30 * time.Second

// Throttle lets each message through once in half a minute. The zero value lets the first. Safe for concurrent use.
type Throttle struct {
	mu       sync.Mutex
	messages map[string]*message // by key, of which the caller has a few dozen at most
}

type message struct {
	next       time.Time
	suppressed int
}

// Allow reports whether to log the message of a key now, and how often that was refused since the last time.
func (t *Throttle) Allow(key string) (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.messages == nil {
		t.messages = map[string]*message{}
	}

	m := t.messages[key]
	if m == nil {
		m = &message{}
		t.messages[key] = m
	}

	now := time.Now()
	if now.Before(m.next) {
		m.suppressed++

		return 0, false
	}

	suppressed, m.suppressed, m.next = m.suppressed, 0, now.Add(Every)

	return suppressed, true
}

// Warn logs msg, which is its key too, if it is allowed now, and with it how often it was not.
func (t *Throttle) Warn(ctx context.Context, log *slog.Logger, msg string, attrs ...slog.Attr) {
	if suppressed, ok := t.Allow(msg); ok {
		log.LogAttrs(ctx, slog.LevelWarn, msg, append(attrs, slog.Int("suppressed", suppressed))...) //nolint:sloglint // each caller's text is constant
	}
}
