package generation

import (
	"context"

	"github.com/google/uuid"
)

// Watches remembers for some seconds which generations a user is looking at. It may forget:
// that costs progress, never a result.
type Watches interface {
	// Watch remembers the ids and returns those that were not known.
	Watch(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error)
	// Watched reports whether a user is looking.
	Watched(ctx context.Context, id uuid.UUID) bool
}
