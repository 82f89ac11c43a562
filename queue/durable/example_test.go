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

type sendReceipt struct {
	PaymentID uuid.UUID `json:"payment_id"`
}

func (sendReceipt) Kind() string { return "email.send_receipt" }

// A job and the state change that causes it are one transaction.
func ExampleQueue_Stage() {
	accept := func(ctx context.Context, pool *pgxpool.Pool, q *durable.Queue, payment uuid.UUID) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `update payment set status = 'paid' where id = $1`, payment); err != nil {
				return err
			}

			_, err := q.Stage(ctx, tx, sendReceipt{PaymentID: payment}, durable.Key(payment.String()))

			return err
		})
	}

	_ = accept
}

// So are a job's effect and its completion: whoever lost the job to another worker in the
// meantime has its transaction refused.
func ExampleRunner() {
	type send = queue.Job[sendReceipt]

	handler := func(pool *pgxpool.Pool) queue.HandlerFunc[sendReceipt] {
		return func(ctx context.Context, job *send) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `update payment set receipt = true where id = $1`, job.Args.PaymentID); err != nil {
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
			Filter:   durable.Filter{State: "dead", Kind: "email.send_receipt", OlderThan: time.Hour},
			Operator: "ada",
		})
	}

	_ = redrive
}
