package history

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
)

// UsageOf returns how much of the plan a user takes now; see package user.
func (s *History) UsageOf(ctx context.Context, userID uuid.UUID) (generation.Usage, error) {
	row, err := s.db.TaskUsage(ctx, s.Pool, userID)
	if err != nil {
		return generation.Usage{}, fmt.Errorf("count what user %s has under way: %w", userID, err)
	}

	return generation.Usage{Slots: int(row.Slots), Waiting: int(row.Waiting)}, nil
}
