package queue

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

type aboutKey struct{}

// about collects what a run says of itself. Its handler may still run when its line is written.
type about struct {
	mu    sync.Mutex
	attrs []slog.Attr // guarded by mu
}

// About adds ids of what a job is about to the line that its run leaves in the log, so that an operator finds it by
// what a user names. Never a personal value. Outside a run it does nothing.
func About(ctx context.Context, attrs ...slog.Attr) {
	if a, ok := ctx.Value(aboutKey{}).(*about); ok {
		a.mu.Lock()
		defer a.mu.Unlock()

		a.attrs = append(a.attrs, attrs...)
	}
}

// WithAbout returns a context for a handler, and what it has said by [About]. It is for whoever runs handlers.
func WithAbout(ctx context.Context) (context.Context, func() []slog.Attr) {
	a := &about{}

	return context.WithValue(ctx, aboutKey{}, a), func() []slog.Attr {
		a.mu.Lock()
		defer a.mu.Unlock()

		return slices.Clone(a.attrs)
	}
}
