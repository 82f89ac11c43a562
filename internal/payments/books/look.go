package books

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/postgres"
	"imagerun/queue"
)

// endLook writes what a look has seen, and ends its job, in one transaction. The row had so many hints when the look began to read; record
// says how many it has now: one that came meanwhile has the look done again.
func endLook[T queue.Args](ctx context.Context, pool *pgxpool.Pool, job *queue.Job[T], hints int32, record func(tx *postgres.Tx) (now int32, err error)) error {
	again := false

	err := postgres.RetryTx(ctx, pool, func(tx *postgres.Tx) error {
		now, err := record(tx)
		if again = now != hints; err != nil || again {
			return err
		}

		return job.Complete(ctx, tx)
	})
	if err == nil && again {
		return queue.Snooze(0)
	}

	return err
}

// endEmpty ends the job of a look at what is not there.
func endEmpty[T queue.Args](ctx context.Context, pool *pgxpool.Pool, job *queue.Job[T]) error {
	return postgres.InTx(ctx, pool, func(tx *postgres.Tx) error { return job.Complete(ctx, tx) })
}
