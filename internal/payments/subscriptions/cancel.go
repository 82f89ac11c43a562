package subscriptions

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/google/uuid"

	"imagerun/internal/payments"
)

// Cancel has the vendor end a subscription with what was paid. One that ends already stays as it is. Errors: [ErrNotFound],
// [ErrRefused], [ErrUnavailable]: nothing changed; [ErrUnclear]: it will show itself.
func (s *Service) Cancel(ctx context.Context, userID, id uuid.UUID) (Subscription, error) {
	u, err := s.Get(ctx, userID, id)
	if err != nil || u.Status == payments.SubscriptionCanceled {
		return u, err
	}

	return s.callVendor(ctx, u, "cancel", s.Vendor.CancelSubscription, payments.SubscriptionScheduled, payments.SubscriptionCanceled)
}

// Resume takes a cancel back. One that goes on stays as it is. Errors: [ErrNotFound], [ErrEnded], [ErrUnpaid]; [ErrRefused],
// [ErrUnavailable]: nothing changed; [ErrUnclear]: it will show itself.
func (s *Service) Resume(ctx context.Context, userID, id uuid.UUID) (Subscription, error) {
	u, err := s.Get(ctx, userID, id)
	if err != nil {
		return u, err
	}

	switch u.Status {
	case payments.SubscriptionCanceled:
		return Subscription{}, ErrEnded
	case payments.SubscriptionPastDue, payments.SubscriptionUnpaid:
		return Subscription{}, ErrUnpaid
	default:
		return s.callVendor(ctx, u, "resume", s.Vendor.ResumeSubscription, payments.SubscriptionActive, payments.SubscriptionTrialing)
	}
}

// callVendor makes one call about a subscription. Our row may be older than what the vendor has, so it is the vendor who is asked, whatever
// the row says; and who refuses because it is as wanted already has not refused.
func (s *Service) callVendor(ctx context.Context, u Subscription, name string,
	call func(context.Context, string) (payments.Subscription, error), wanted ...payments.SubscriptionStatus,
) (Subscription, error) {
	seen, err := call(ctx, u.vendorID)
	failure := s.judgeCall(ctx, name, err)

	if errors.Is(failure, ErrRefused) {
		if now, err := s.Vendor.FindSubscription(ctx, u.vendorID); err == nil && slices.Contains(wanted, now.Status) {
			seen, failure = now, nil
		}
	}

	if err := s.settleCall(ctx, u.ID, nil); err != nil {
		return Subscription{}, err
	}

	if failure != nil {
		return Subscription{}, failure
	}

	u.follow(seen, s.now())

	return u, nil
}

// judgeCall says what the owner of a subscription is told of a call: nil, if the vendor did it.
func (s *Service) judgeCall(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}

	switch payments.ClassOf(err) {
	case payments.Rejected, payments.NotFound:
		return ErrRefused.WithCause(err)
	case payments.Transient:
		return ErrUnavailable.WithCause(err)
	case payments.Account:
		s.Log.ErrorContext(ctx, "payment vendor refused our key", slog.String("call", name))

		return ErrUnavailable.WithCause(err)
	// What says nothing of itself may have happened, too.
	default:
		s.Log.WarnContext(ctx, "outcome of a call of the payment vendor is unknown", slog.String("call", name))

		return ErrUnclear.WithCause(err)
	}
}
