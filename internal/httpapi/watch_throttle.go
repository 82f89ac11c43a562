package httpapi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/generation"
)

const (
	watchRefreshEvery = 5 * time.Second        // how often the watch of one generation is refreshed
	watchRefreshTime  = 250 * time.Millisecond // how much later the answer may be for it
)

// watchThrottle remembers which generations' watches were refreshed lately, so that a caller that polls fast costs a
// write now and then, and not one a poll.
type watchThrottle struct {
	mu            sync.Mutex              // guards the fields below
	recent, older map[uuid.UUID]time.Time // recent becomes older every watchRefreshEvery
	rotatedAt     time.Time
}

// allow reports whether the watch of a generation is to be refreshed again, and takes it as refreshed.
func (l *watchThrottle) allow(id uuid.UUID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if now.Sub(l.rotatedAt) >= watchRefreshEvery {
		l.recent, l.older, l.rotatedAt = map[uuid.UUID]time.Time{}, l.recent, now
	}

	for _, known := range []map[uuid.UUID]time.Time{l.recent, l.older} {
		if at, ok := known[id]; ok && now.Sub(at) < watchRefreshEvery {
			return false
		}
	}

	l.recent[id] = now

	return true
}

// refreshWatch has a caller that polls for g watch it, as an open stream does: they see the same progress. It may fail,
// which costs progress and nothing else.
func (s *server) refreshWatch(ctx context.Context, userID uuid.UUID, g generation.Generation) {
	if g.Status.Terminal() || !s.watches.allow(g.ID, time.Now()) {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, watchRefreshTime)
	defer cancel()

	if err := s.Generations.Watch(ctx, userID, g.ID); err != nil {
		s.Logger.DebugContext(ctx, "watch was not refreshed", slog.Any("error", err))
	}
}
