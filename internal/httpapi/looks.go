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
	looksEvery = 5 * time.Second        // how often it is said that somebody asks for one generation
	looksTime  = 250 * time.Millisecond // what saying it may cost the answer
)

// looks remembers which generations it was said of that somebody is looking, so that a client that
// asks all the time is written down now and then.
type looks struct {
	mu          sync.Mutex
	said, older map[uuid.UUID]time.Time // guarded by mu; said becomes older every looksEvery
	turned      time.Time               // guarded by mu
}

// due reports whether it is to be said again, and takes it as said.
func (l *looks) due(id uuid.UUID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if now.Sub(l.turned) >= looksEvery {
		l.said, l.older, l.turned = map[uuid.UUID]time.Time{}, l.said, now
	}

	for _, known := range []map[uuid.UUID]time.Time{l.said, l.older} {
		if at, ok := known[id]; ok && now.Sub(at) < looksEvery {
			return false
		}
	}

	l.said[id] = now

	return true
}

// looked says that whoever asks for g is looking at it, as an open stream does: a client that polls
// sees the same progress. It may fail, which costs progress and nothing else.
func (s *server) looked(ctx context.Context, userID uuid.UUID, g generation.Generation) {
	if g.Status.Terminal() || !s.looks.due(g.ID, time.Now()) {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, looksTime)
	defer cancel()

	if err := s.Generations.Watch(ctx, userID, g.ID); err != nil {
		s.Logger.DebugContext(ctx, "looking on could not be said", slog.Any("error", err))
	}
}
