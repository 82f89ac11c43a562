package subscriptions

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

const (
	// lookAfterCrash is how long after a change was asked for a look comes, if the process that asked does not come back to it. It is longer
	// than any call of the vendor.
	lookAfterCrash = 2 * time.Minute
	// settleTimeout is how long may be written what became of a call, whatever its caller waits for.
	settleTimeout = 5 * time.Second
)

// settleCall stages the look that follows each call of the vendor, and does what its outcome demands in the same transaction; nil: nothing.
// The caller may be gone by then.
func (s *Service) settleCall(ctx context.Context, id uuid.UUID, also func(context.Context, *postgres.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()

	err := postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		if err := s.db.SubscriptionAskLook(ctx, tx, id); err != nil {
			return fmt.Errorf("ask for a look: %w", err)
		}

		if also != nil {
			if err := also(ctx, tx); err != nil {
				return err
			}
		}

		return s.stageLook(ctx, tx, id, 0)
	})

	return fault.Wrap(err, "settle call about subscription "+id.String())
}

// stageLook stages a look at a subscription, or has the one that waits come at once.
func (s *Service) stageLook(ctx context.Context, tx *postgres.Tx, id uuid.UUID, after time.Duration) error {
	args := jobs.LookAtSubscription{SubscriptionID: id}

	if _, err := s.Queue.Stage(ctx, tx, args, durable.Key(id.String()), durable.After(after)); err != nil {
		return err
	}

	if after > 0 {
		return nil
	}

	return s.Queue.Wake(ctx, tx, args.Kind(), id.String())
}
