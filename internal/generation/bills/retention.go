package bills

import (
	"context"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/generation/db"
	"imagerun/internal/retention"
)

// costLifetime is how long it is kept what a request cost that nothing leads to.
const costLifetime = 90 * 24 * time.Hour

// Retention is what is kept of what requests cost, and for how long.
func (s *Bills) Retention() []retention.Class {
	return []retention.Class{{
		Name:   "provider_cost",
		Tables: []retention.Table{{Name: "provider_cost", Columns: []string{"endpoint", "model", "request_id", "units_billed", "units_told"}, After: costLifetime}},
		Purge:  &retention.Purge{Cadence: retention.Hourly, Batch: 1000, Step: s.forgetCosts},
	}}
}

// forgetCosts forgets what requests cost that nothing leads to any more.
func (s *Bills) forgetCosts(ctx context.Context, batch int) (int, error) {
	n, err := s.db.CostPurge(ctx, s.Pool, db.CostPurgeParams{Before: s.Now().Add(-costLifetime), Most: int32(batch)}) //nolint:gosec // a thousand

	return int(n), fault.Wrap(err, "purge costs of what is erased")
}
