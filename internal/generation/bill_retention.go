package generation

import (
	"context"
	"time"

	"imagerun/internal/generation/db"
)

// costLifetime is how long it is kept what a request cost that nothing leads to.
const costLifetime = 90 * 24 * time.Hour

// forgetCosts forgets what requests cost that nothing leads to any more.
func (s *Service) forgetCosts(ctx context.Context, batch int) (int, error) {
	n, err := s.db.CostPurge(ctx, s.Pool, db.CostPurgeParams{Before: s.Now().Add(-costLifetime), Most: int32(batch)}) //nolint:gosec // a thousand

	return int(n), wrap(err, "purge costs of what is erased")
}
