package queue

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

type aboutKey struct{}

// Notes are what a run of a job says of itself by [About]. The zero value is ready; a handler that did not return in
// time may still add to them while they are read.
type Notes struct {
	mu    sync.Mutex
	attrs []slog.Attr // guarded by mu
}

// Attrs returns what was said so far.
func (n *Notes) Attrs() []slog.Attr {
	n.mu.Lock()
	defer n.mu.Unlock()

	return slices.Clone(n.attrs)
}

// WithNotes returns a context for a handler in which [About] adds to n. It is for a runner of handlers.
func WithNotes(ctx context.Context, n *Notes) context.Context {
	return context.WithValue(ctx, aboutKey{}, n)
}

// About adds ids of what a job is about to the line that its run leaves in the log, so that an operator finds it by
// what a user names. Never a personal value. Outside a run it does nothing.
func About(ctx context.Context, attrs ...slog.Attr) {
	if n, ok := ctx.Value(aboutKey{}).(*Notes); ok {
		n.mu.Lock()
		defer n.mu.Unlock()

		n.attrs = append(n.attrs, attrs...)
	}
}
