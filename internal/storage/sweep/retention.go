package sweep

import (
	"context"
	"fmt"

	"imagerun/internal/jobs"
	"imagerun/internal/retention"
	"imagerun/internal/storage/sweep/db"
)

// remembered is how long the report of a sweep is kept.
const remembered = 90 * retention.Day

// Retention is what the sweep keeps, and what it removes from the bucket.
func (h *Handler) Retention() []retention.Class {
	return []retention.Class{
		{Name: "stray_object", Job: jobs.SweepObjects{}.Kind()},
		{
			Name:   "object_sweep",
			Tables: []retention.Table{{Name: "object_sweep", Columns: []string{"cursor", "report"}, After: remembered}},
			Purge:  &retention.Purge{Cadence: retention.Daily, Batch: 1000, Step: h.forgetReports},
		},
	}
}

// forgetReports forgets what sweeps found long ago.
func (h *Handler) forgetReports(ctx context.Context, batch int) (int, error) {
	n, err := h.db.SweepForget(ctx, h.d.Pool, db.SweepForgetParams{Before: h.d.Sweeper.now().Add(-remembered), Most: int32(batch)}) //nolint:gosec // a thousand
	if err != nil {
		return 0, fmt.Errorf("forget old sweeps: %w", err)
	}

	return int(n), nil
}
