package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// watchFor is how long a look lasts. Who goes on looking says so more often.
const watchFor = 20 * time.Second

// Watches remembers what somebody is looking at, by its id: a key each, which ends by itself.
type Watches struct{ redis redis.UniversalClient }

// NewWatches returns watches kept in client.
func NewWatches(client redis.UniversalClient) *Watches { return &Watches{redis: client} }

// Watch remembers the ids and returns those that nobody was looking at.
func (w *Watches) Watch(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()

	pipe := w.redis.Pipeline()

	was := make([]*redis.StatusCmd, len(ids))
	for i, id := range ids {
		was[i] = pipe.SetArgs(ctx, watchKey(id), 1, redis.SetArgs{TTL: watchFor, Get: true})
	}

	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("remember watches: %w", err)
	}

	var fresh []uuid.UUID

	for i, cmd := range was {
		if errors.Is(cmd.Err(), redis.Nil) {
			fresh = append(fresh, ids[i])
		}
	}

	return fresh, nil
}

// Watched reports whether anybody is looking. When Redis does not know, nobody is.
func (w *Watches) Watched(ctx context.Context, id uuid.UUID) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()

	n, err := w.redis.Exists(ctx, watchKey(id)).Result()

	return err == nil && n > 0
}

func watchKey(id uuid.UUID) string { return "imagerun:generation:watch:" + id.String() }
