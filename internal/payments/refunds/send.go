package refunds

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

const (
	// findOutFor is how long the payment is read of a refund that may have happened, before a person looks.
	findOutFor = 2 * time.Hour
	// findOutEvery is how often it is read at least.
	findOutEvery = 10 * time.Minute
)

// Register makes the service the handler of its jobs.
func (s *Service) Register(r *queue.Registry) { queue.Register(r, sender{s}) }

// sender has the vendor give money back.
type sender struct{ *Service }

// Handle implements [queue.Handler].
func (h sender) Handle(ctx context.Context, job *queue.Job[jobs.RefundOrder]) error {
	queue.About(ctx, slog.Any("refund_id", job.Args.RefundID))

	r, err := h.db.RefundRead(ctx, h.Pool, job.Args.RefundID)
	if postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read refund: %w", err)
	}

	if s := Status(r.Status); s != Asked && s != Sent {
		return nil
	}

	// Whatever an earlier run did, or a person did in the vendor's dashboard, shows in the payment.
	seen, err := h.Vendor.FindTransaction(ctx, postgres.TextOrEmpty(r.TransactionID))

	switch {
	// The vendor does not know the payment, so that it cannot give it back.
	case payments.ClassOf(err) == payments.NotFound:
		return h.endRefund(ctx, job, r, Refused)
	case err != nil:
		return err
	// The money is back.
	case seen.Refunded >= r.Amount:
		return h.endRefund(ctx, job, r, Done)
	// The bank has taken the money, or some of it was given back meanwhile: the whole would be too much.
	case seen.Status == payments.TransactionChargedBack || seen.Refunded > 0:
		return h.endRefund(ctx, job, r, ByHand)
	// It may be under way at the vendor.
	case r.SentAt != nil:
		return h.waitForRefund(ctx, job, r)
	default:
		return h.sendOnce(ctx, job, r)
	}
}

// sendOnce has the vendor give the payment back. That it may have is committed before.
func (h sender) sendOnce(ctx context.Context, job *queue.Job[jobs.RefundOrder], r db.RefundReadRow) error {
	err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		n, err := h.db.RefundSend(ctx, tx, db.RefundSendParams{ID: r.ID, Now: h.now()})
		if err != nil {
			return fmt.Errorf("mark refund sent: %w", err)
		}

		if n == 0 {
			return job.Snooze()
		}

		return job.Hold(ctx, tx)
	})
	if err != nil {
		return err
	}

	err = h.Vendor.Refund(ctx, *r.TransactionID)
	if err == nil {
		return h.endRefund(ctx, job, r, Done)
	}

	switch payments.ClassOf(err) {
	// It refuses: asking again would not help.
	case payments.Rejected, payments.NotFound:
		return h.endRefund(ctx, job, r, Refused)
	// It did not happen, and is tried again.
	case payments.Transient, payments.Account:
		if unsend := h.unsendRefund(ctx, job, r); unsend != nil {
			return unsend
		}

		return err
	// It may have happened: the payment will show it.
	default:
		h.Log.WarnContext(ctx, "outcome of refund is unknown", slog.Any("error", err))

		return job.Snooze()
	}
}

// unsendRefund notes that a refund did not happen.
func (h sender) unsendRefund(ctx context.Context, job *queue.Job[jobs.RefundOrder], r db.RefundReadRow) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.RefundUnsend(ctx, tx, r.ID); err != nil {
			return fmt.Errorf("mark refund not sent: %w", err)
		}

		return job.Hold(ctx, tx)
	})
}

// waitForRefund has the payment read again later, or leaves it to a person after some hours.
func (h sender) waitForRefund(ctx context.Context, job *queue.Job[jobs.RefundOrder], r db.RefundReadRow) error {
	waited := h.now().Sub(*r.SentAt)
	if waited >= findOutFor {
		return h.endRefund(ctx, job, r, ByHand)
	}

	return queue.Snooze(min(findOutEvery, 10*time.Second+waited/2))
}

// endRefund ends a refund and its job, and stages the look by which the books follow.
func (h sender) endRefund(ctx context.Context, job *queue.Job[jobs.RefundOrder], r db.RefundReadRow, status Status) error {
	return postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.askLook(ctx, tx, r, status == Done); err != nil {
			return err
		}

		if err := h.closeRefund(ctx, tx, r, status); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// closeRefund writes how a refund ended, and tells operators of one that a person must see to.
func (h sender) closeRefund(ctx context.Context, tx pgx.Tx, r db.RefundReadRow, status Status) error {
	n, err := h.db.RefundEnd(ctx, tx, db.RefundEndParams{ID: r.ID, Status: string(status), Now: h.now()})
	if err != nil {
		return fmt.Errorf("end refund: %w", err)
	}

	switch {
	case n == 0:
		return nil
	case status == Refused:
		return h.noteDifference(ctx, tx, differenceRefused, r.ID)
	case status == ByHand:
		return h.noteDifference(ctx, tx, differenceByHand, r.ID)
	default:
		return nil
	}
}

// askLook stages a look at the payment, or at the subscription that it is of. While one waits or runs, that is the one: it is done at once, or
// again.
func (s *Service) askLook(ctx context.Context, tx pgx.Tx, r db.RefundReadRow, pending bool) error {
	var args queue.Args = jobs.LookAtOrder{OrderID: r.OrderID}

	key := r.OrderID.String()

	if r.SubscriptionID != nil {
		args, key = jobs.LookAtSubscription{SubscriptionID: *r.SubscriptionID}, r.SubscriptionID.String()

		if err := s.db.RefundSubscriptionAskLook(ctx, tx, *r.SubscriptionID); err != nil {
			return fmt.Errorf("ask for a look: %w", err)
		}
	}

	if err := s.db.RefundOrderAskLook(ctx, tx, db.RefundOrderAskLookParams{ID: r.OrderID, Pending: pending, Now: s.now()}); err != nil {
		return fmt.Errorf("ask for a look: %w", err)
	}

	if _, err := s.Queue.Stage(ctx, tx, args, durable.Key(key)); err != nil {
		return err
	}

	return s.Queue.Wake(ctx, tx, args.Kind(), key)
}

// Dead leaves a refund to a person that was tried in vain for long.
func (h sender) Dead(ctx context.Context, tx pgx.Tx, args jobs.RefundOrder, _ string) error {
	r, err := h.db.RefundRead(ctx, tx, args.RefundID)
	if postgres.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read refund: %w", err)
	}

	return h.closeRefund(ctx, tx, r, ByHand)
}
