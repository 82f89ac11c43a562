package durable_test

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// A job and the state change that causes it are one transaction.
func ExampleQueue_Stage() {
	accept := func(ctx context.Context, pool *pgxpool.Pool, q *durable.Queue, task uuid.UUID) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `update ai_task set status = 'submitting' where id = $1`, task); err != nil {
				return err
			}

			_, err := q.Stage(ctx, tx, queue.SubmitGeneration{TaskID: task}, durable.Key(task.String()))

			return err
		})
	}

	_ = accept
}

// So are a job's effect and its completion: whoever lost the job to another worker in the
// meantime has its transaction refused.
func ExampleRunner() {
	type erase = queue.Job[queue.EraseGeneration]

	handler := func(pool *pgxpool.Pool) queue.HandlerFunc[queue.EraseGeneration] {
		return func(ctx context.Context, job *erase) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `delete from ai_task where id = $1`, job.Args.TaskID); err != nil {
					return err
				}

				return job.Complete(ctx, tx)
			})
		}
	}

	_ = handler
}

// An operator's order is a filter and a name for the audit.
func ExampleAdmin_Retry() {
	redrive := func(ctx context.Context, admin *durable.Admin) (durable.Result, error) {
		return admin.Retry(ctx, durable.Order{
			Filter:   durable.Filter{State: "dead", Kind: "generation.collect", OlderThan: time.Hour},
			Operator: "ada",
		})
	}

	_ = redrive
}
