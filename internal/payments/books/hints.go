package books

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// HandleEvent works a webhook of the vendor: it stages a look at what the webhook is about. Nothing that the webhook says is believed.
func (b *Books) HandleEvent(ctx context.Context, tx pgx.Tx, e inbox.Event) error {
	h, err := b.ParseHint(e.Type, e.Body)

	switch {
	case errors.Is(err, inbox.ErrUnknownType):
		return err
	case err != nil:
		return inbox.Fail("event_unreadable")
	}

	return b.Hint(ctx, tx, h, false)
}

// Hint stages looks at what a hint names; reconcile, when no webhook is the reason. What is not known, and leads to nothing that is,
// becomes a difference.
func (b *Books) Hint(ctx context.Context, tx pgx.Tx, h payments.Hint, reconcile bool) error {
	checkout, found, err := b.hintCheckout(ctx, tx, h)
	if err != nil {
		return err
	}

	if h.SubscriptionID != "" {
		if err := b.hintSubscription(ctx, tx, h, checkout, reconcile); err != nil {
			return err
		}
	}

	order, err := b.hintOrder(ctx, tx, h)
	if err != nil {
		return err
	}

	switch {
	// The payment of a pack that is known.
	case order != uuid.Nil:
		return b.stageLook(ctx, tx, jobs.LookAtOrder{OrderID: order, Reconcile: reconcile}, order)
	// The checkout leads to its payment.
	case found:
		return b.stageLook(ctx, tx, jobs.LookAtCheckout{CheckoutID: checkout, Reconcile: reconcile}, checkout)
	case h.SubscriptionID != "":
		return nil
	default:
		return b.noteUnknown(ctx, tx, h, reconcile)
	}
}

// noteUnknown writes down that a payment leads to no person of ours. A look may be about to write it: who writes of one payment takes turns.
func (b *Books) noteUnknown(ctx context.Context, tx pgx.Tx, h payments.Hint, reconcile bool) error {
	about := firstOf(h.TransactionID, h.OrderID, h.VendorCheckout)
	if err := b.db.PaymentTurn(ctx, tx, about); err != nil {
		return fmt.Errorf("wait for a turn on payment: %w", err)
	}

	order, err := b.hintOrder(ctx, tx, h)
	if err != nil {
		return err
	}

	if order != uuid.Nil {
		return b.stageLook(ctx, tx, jobs.LookAtOrder{OrderID: order, Reconcile: reconcile}, order)
	}

	return b.noteDifference(ctx, tx, Difference{Kind: UnknownPayment, About: about})
}

// hintCheckout notes that a checkout is to be looked at, if it is one of ours.
func (b *Books) hintCheckout(ctx context.Context, tx pgx.Tx, h payments.Hint) (id uuid.UUID, found bool, err error) {
	if h.CheckoutID == uuid.Nil && h.VendorCheckout == "" {
		return uuid.Nil, false, nil
	}

	id, err = b.db.CheckoutHint(ctx, tx, db.CheckoutHintParams{ID: h.CheckoutID, VendorID: textOf(h.VendorCheckout)})

	switch {
	case postgres.IsNotFound(err):
		return uuid.Nil, false, nil
	case err != nil:
		return uuid.Nil, false, fmt.Errorf("note hint of checkout: %w", err)
	default:
		return id, true, nil
	}
}

// hintSubscription notes that a subscription is to be looked at, and stages the look.
func (b *Books) hintSubscription(ctx context.Context, tx pgx.Tx, h payments.Hint, checkout uuid.UUID, reconcile bool) error {
	id, err := b.db.SubscriptionHint(ctx, tx, db.SubscriptionHintParams{VendorID: h.SubscriptionID, CheckoutID: idOf(checkout)})
	if err != nil {
		return fmt.Errorf("note hint of subscription: %w", err)
	}

	if h.RefundPending && h.TransactionID != "" {
		if err := b.db.OrderRefundPending(ctx, tx, &h.TransactionID); err != nil {
			return fmt.Errorf("note refund of period: %w", err)
		}
	}

	return b.stageLook(ctx, tx, jobs.LookAtSubscription{SubscriptionID: id, Reconcile: reconcile}, id)
}

// hintOrder notes that the payment of a pack is to be looked at, if it is known.
func (b *Books) hintOrder(ctx context.Context, tx pgx.Tx, h payments.Hint) (uuid.UUID, error) {
	if h.OrderID == "" && h.TransactionID == "" || h.SubscriptionID != "" {
		return uuid.Nil, nil
	}

	id, err := b.db.OrderHint(ctx, tx, db.OrderHintParams{OrderID: textOf(h.OrderID), TransactionID: textOf(h.TransactionID), RefundPending: h.RefundPending})
	if postgres.IsNotFound(err) {
		return uuid.Nil, nil
	}

	if err != nil {
		return uuid.Nil, fmt.Errorf("note hint of order: %w", err)
	}

	return id, nil
}

// stageLook stages the look at a row; while one waits or runs, that is the one, and the hint has it done again.
func (b *Books) stageLook(ctx context.Context, tx pgx.Tx, args interface{ Kind() string }, id uuid.UUID) error {
	_, err := b.Queue.Stage(ctx, tx, args, durable.Key(id.String()))

	return err
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}

	return "nothing"
}
