package apikey

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth/apikey/db"
	"imagerun/internal/clock"
)

// flushEvery is how often noted uses are written.
const flushEvery = 10 * time.Second

// lastUses are the keys used and not yet written: at most one entry for each key that works.
// The zero value is empty.
type lastUses struct {
	mu   sync.Mutex // guards last
	last map[uuid.UUID]time.Time
}

func (u *lastUses) recordUse(id uuid.UUID, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()

	if u.last == nil {
		u.last = map[uuid.UUID]time.Time{}
	}

	if at.After(u.last[id]) {
		u.last[id] = at
	}
}

func (u *lastUses) drainUses() map[uuid.UUID]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()

	taken := u.last
	u.last = nil

	return taken
}

// Run writes when keys were last used, until ctx ends, and then once more.
func (k *Keys) Run(ctx context.Context) {
	clock.Every(ctx, flushEvery, k.flushUses)

	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()

	k.flushUses(last)
}

func (k *Keys) flushUses(ctx context.Context) {
	taken := k.used.drainUses()
	if len(taken) == 0 {
		return
	}

	params := db.KeysUsedParams{}
	for id, at := range taken {
		params.Ids = append(params.Ids, id)
		params.Ats = append(params.Ats, at)
	}

	// Writing it twice changes nothing, so an unknown outcome is tried again too.
	if err := k.q.KeysUsed(ctx, k.db, params); err != nil {
		for id, at := range taken {
			k.used.recordUse(id, at)
		}

		k.log.LogAttrs(ctx, slog.LevelWarn, "last uses of api keys were not written, and are kept for later", slog.Int("keys", len(taken)), slog.Any("error", err))
	}
}
