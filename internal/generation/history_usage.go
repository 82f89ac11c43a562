package generation

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// UsageOf returns how much of the plan a user takes now; see package user.
func (s *Service) UsageOf(ctx context.Context, userID uuid.UUID) (Usage, error) {
	row, err := s.db.TaskUsage(ctx, s.Pool, userID)
	if err != nil {
		return Usage{}, fmt.Errorf("count what user %s has under way: %w", userID, err)
	}

	return Usage{Slots: int(row.Slots), Waiting: int(row.Waiting)}, nil
}
