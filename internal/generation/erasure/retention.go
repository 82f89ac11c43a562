package erasure

import (
	"context"
	"fmt"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/retention"
)

// Retention is what is kept of generations, and for how long.
func (s *Erasure) Retention() []retention.Class {
	return append([]retention.Class{{
		Name: "generation",
		Tables: []retention.Table{
			{Name: "ai_task", Columns: []string{
				"background", "catalogue_hash", "delay_reason", "failure_code", "metadata", "model", "negative_prompt", "parameters", "prices", "prompt",
				"provider", "reference_key", "served_model", "status", "support_code",
			}},
			{Name: "ai_image", Columns: []string{
				"content_type", "failure_code", "key", "sha256", "status", "thumbhash", "thumbnail_key",
			}},
			{Name: "generation_event", Columns: []string{"status"}},
			{Name: "provider_attempt", Columns: []string{
				"callback", "cancel_url", "endpoint", "error_code", "model", "request_id", "response_url", "state", "status_url",
			}},
		},
		Job: jobs.PurgeGenerations{}.Kind(),
	}}, s.tombstoneClasses()...)
}

// tombstoneClasses are the classes of what outlives a generation.
func (s *Erasure) tombstoneClasses() []retention.Class {
	return []retention.Class{
		{
			Name:   "attempt_tombstone",
			Tables: []retention.Table{{Name: "provider_attempt_tombstone", Columns: []string{"endpoint", "request_id"}}},
			Purge:  &retention.Purge{Cadence: retention.Hourly, Batch: 1000, Step: s.forgetAttempts},
		},
		{
			Name:   "generation_tombstone",
			Tables: []retention.Table{{Name: "generation_tombstone", After: generation.TombstoneLifetime}},
			Purge: &retention.Purge{Cadence: retention.Hourly, Batch: 200, Step: func(ctx context.Context, batch int) (int, error) {
				return s.ForgetDeletions(ctx, s.Now().Add(-generation.TombstoneLifetime), batch)
			}},
		},
	}
}

// forgetAttempts forgets erased attempts of which their provider can have nothing any more.
func (s *Erasure) forgetAttempts(ctx context.Context, batch int) (int, error) {
	n, err := s.db.AttemptTombstonePurge(ctx, s.Pool, db.AttemptTombstonePurgeParams{Now: s.Now(), Most: int32(batch)}) //nolint:gosec // a thousand

	return int(n), fault.Wrap(err, "purge tombstones of attempts")
}

// ForgetDeletions forgets which generations were deleted before a time, of so many users at most, and returns of how many. A
// watcher who has not heard of them begins anew.
func (s *Erasure) ForgetDeletions(ctx context.Context, before time.Time, most int) (users int, err error) {
	ids, err := s.db.TombstoneUsers(ctx, s.Pool, db.TombstoneUsersParams{Before: before, Most: int32(most)}) //nolint:gosec // hundreds
	if err != nil {
		return 0, fmt.Errorf("list whose tombstones are old: %w", err)
	}

	for n, id := range ids {
		err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
			if err := s.Users.Lock(ctx, tx, id); err != nil {
				return err
			}

			return s.db.TombstonePurge(ctx, tx, db.TombstonePurgeParams{UserID: id, Before: before})
		})
		if err != nil {
			return n, fmt.Errorf("purge tombstones: %w", err)
		}
	}

	return len(ids), nil
}
