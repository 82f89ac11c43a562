package subscriptions

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// Register makes the service the handler of its jobs.
func (s *Service) Register(r *queue.Registry) { queue.Register(r, canceler{s}) }

// canceler ends a subscription whose payment was withdrawn from.
type canceler struct{ *Service }

// Handle implements [queue.Handler]. It reads before it asks: what an earlier run did, whose answer was lost, is not done again.
func (h canceler) Handle(ctx context.Context, job *queue.Job[jobs.CancelSubscription]) error {
	id := job.Args.SubscriptionID
	queue.About(ctx, slog.Any("subscription_id", id))

	vendorID, err := h.db.SubscriptionVendorID(ctx, h.Pool, id)
	if postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read subscription: %w", err)
	}

	refused, err := h.cancelOnce(ctx, vendorID)
	if err != nil {
		return err
	}

	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.SubscriptionAskLook(ctx, tx, id); err != nil {
			return fmt.Errorf("ask for a look: %w", err)
		}

		if refused {
			if err := h.db.CancelRefusedNote(ctx, tx, db.CancelRefusedNoteParams{About: id.String(), Now: h.now()}); err != nil {
				return fmt.Errorf("note refused cancel: %w", err)
			}
		}

		if err := h.stageLook(ctx, tx, id, 0); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// cancelOnce has the vendor cancel what is not canceled yet. Refused: it will refuse again, so that a person must see to it.
func (h canceler) cancelOnce(ctx context.Context, vendorID string) (refused bool, err error) {
	seen, err := h.Vendor.FindSubscription(ctx, vendorID)

	switch {
	case payments.ClassOf(err) == payments.NotFound:
		return true, nil
	case err != nil:
		return false, err
	case seen.Status == payments.SubscriptionScheduled || seen.Status == payments.SubscriptionCanceled:
		return false, nil
	}

	_, err = h.Vendor.CancelSubscription(ctx, vendorID)
	if c := payments.ClassOf(err); c == payments.Rejected || c == payments.NotFound {
		h.Log.WarnContext(ctx, "cancel of subscription refused", slog.Any("error", err))

		return true, nil
	}

	return false, err
}

// Dead leaves a subscription to a person that the vendor was asked in vain to end.
func (h canceler) Dead(ctx context.Context, tx pgx.Tx, args jobs.CancelSubscription, _ string) error {
	return h.db.CancelRefusedNote(ctx, tx, db.CancelRefusedNoteParams{About: args.SubscriptionID.String(), Now: h.now()})
}
