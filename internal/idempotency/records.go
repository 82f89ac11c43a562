package idempotency

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/jobs"
	"imagerun/internal/retention"
	"imagerun/queue"
)

// Records are the records of all users, which are forgotten when their time is over.
type Records struct {
	pool *pgxpool.Pool
	now  clock.Now
}

// NewRecords returns the records in a database.
func NewRecords(pool *pgxpool.Pool, now clock.Now) *Records { return &Records{pool: pool, now: now} }

// Register makes r the handler of what schedulers of the release before stage.
func (r *Records) Register(registry *queue.Registry) {
	queue.Register(registry, retention.Former[jobs.PurgeIdempotency](r.Retention()...))
}

// Retention is how long a record is kept.
func (r *Records) Retention() []retention.Class {
	return []retention.Class{{
		Name:   "idempotency_record",
		Tables: []retention.Table{{Name: "idempotency_record", Columns: []string{"fingerprint", "key"}, After: Lifetime}},
		Purge:  &retention.Purge{Cadence: retention.Often, Batch: 5000, Step: r.Purge},
	}}
}

// Purge deletes records older than [Lifetime], at most batch of them, and returns how many.
func (r *Records) Purge(ctx context.Context, batch int) (int, error) {
	tag, err := r.pool.Exec(ctx, `delete from idempotency_record where ctid = any (array(
		select ctid from idempotency_record where created_at < $1 limit $2))`, r.now().Add(-Lifetime), batch)
	if err != nil {
		return 0, fmt.Errorf("purge idempotency records: %w", err)
	}

	return int(tag.RowsAffected()), nil
}
