package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/publicid"
)

// Subscriptions is the domain behind /v1/subscriptions and the billing portal. A user sees their own alone: another's id answers
// subscriptions.ErrNotFound.
type Subscriptions interface {
	// List returns all of a user's, newest first.
	List(ctx context.Context, userID uuid.UUID) ([]subscriptions.Subscription, error)
	// Get returns one.
	Get(ctx context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error)
	// PreviewChange tells what a change to a product would do now.
	PreviewChange(ctx context.Context, userID, id uuid.UUID, productID string) (subscriptions.Change, error)
	// Change does it.
	Change(ctx context.Context, userID, id uuid.UUID, productID string) (subscriptions.Subscription, error)
	// Cancel ends one with what was paid.
	Cancel(ctx context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error)
	// Resume takes a cancel back.
	Resume(ctx context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error)
	// PortalURL returns the address of the payment provider's page for a user.
	PortalURL(ctx context.Context, userID uuid.UUID) (string, error)
}

// ListSubscriptions implements the contract's operation.
func (s *server) ListSubscriptions(ctx context.Context, _ ListSubscriptionsRequestObject) (ListSubscriptionsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	all, err := s.Payments.Subscriptions.List(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	out := ListSubscriptions200JSONResponse{Object: SubscriptionListObjectList, URL: "/v1/subscriptions", Data: make([]Subscription, len(all))}
	for i, one := range all {
		out.Data[i] = renderSubscription(one)
	}

	return out, nil
}

// GetSubscription implements the contract's operation.
func (s *server) GetSubscription(ctx context.Context, r GetSubscriptionRequestObject) (GetSubscriptionResponseObject, error) {
	out, err := s.answerSubscription(ctx, r.ID, s.Payments.Subscriptions.Get)

	return GetSubscription200JSONResponse(out), err
}

// CancelSubscription implements the contract's operation.
func (s *server) CancelSubscription(ctx context.Context, r CancelSubscriptionRequestObject) (CancelSubscriptionResponseObject, error) {
	out, err := s.answerSubscription(ctx, r.ID, s.Payments.Subscriptions.Cancel)

	return CancelSubscription200JSONResponse(out), err
}

// ResumeSubscription implements the contract's operation.
func (s *server) ResumeSubscription(ctx context.Context, r ResumeSubscriptionRequestObject) (ResumeSubscriptionResponseObject, error) {
	out, err := s.answerSubscription(ctx, r.ID, s.Payments.Subscriptions.Resume)

	return ResumeSubscription200JSONResponse(out), err
}

// ChangeSubscription implements the contract's operation.
func (s *server) ChangeSubscription(ctx context.Context, r ChangeSubscriptionRequestObject) (ChangeSubscriptionResponseObject, error) {
	out, err := s.answerSubscription(ctx, r.ID, func(ctx context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error) {
		return s.Payments.Subscriptions.Change(ctx, userID, id, r.Body.Product)
	})

	return ChangeSubscription200JSONResponse(out), err
}

// answerSubscription does one thing with a subscription of the caller's, and answers with what it is then.
func (s *server) answerSubscription(
	ctx context.Context, text string, do func(ctx context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error),
) (Subscription, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixSubscription, text)
	if err != nil {
		return Subscription{}, err
	}

	one, err := do(ctx, userID, id)
	if err != nil {
		return Subscription{}, err
	}

	return renderSubscription(one), nil
}

// PreviewSubscriptionChange implements the contract's operation.
func (s *server) PreviewSubscriptionChange(
	ctx context.Context, r PreviewSubscriptionChangeRequestObject,
) (PreviewSubscriptionChangeResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixSubscription, r.ID)
	if err != nil {
		return nil, err
	}

	c, err := s.Payments.Subscriptions.PreviewChange(ctx, userID, id, r.Params.Product)
	if err != nil {
		return nil, err
	}

	return PreviewSubscriptionChange200JSONResponse(renderChange(c)), nil
}

// OpenBillingPortal implements the contract's operation.
func (s *server) OpenBillingPortal(ctx context.Context, _ OpenBillingPortalRequestObject) (OpenBillingPortalResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	url, err := s.Payments.Subscriptions.PortalURL(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	return OpenBillingPortal200JSONResponse{Object: BillingPortalObjectBillingPortal, URL: url}, nil
}

func renderSubscription(s subscriptions.Subscription) Subscription {
	out := Subscription{
		ID: publicid.Format(publicid.PrefixSubscription, s.ID), Object: SubscriptionObjectSubscription, Status: SubscriptionStatus(s.Status),
		Product: textOrNull(s.Product.ID), Name: nameOf(s.Product), Currency: textOrNull(s.Currency),
		PeriodStart: timeOrNull(s.PeriodStart), PeriodEnd: timeOrNull(s.PeriodEnd), RenewsAt: timeOrNull(s.RenewsAt), EndsAt: timeOrNull(s.EndsAt),
		CreatedAt: clampTime(s.CreatedAt), SupportCode: publicid.SupportCode(s.ID),
	}

	if s.Rights != nil {
		out.Rights = &SubscriptionRights{Product: s.Rights.Product.ID, Plan: s.Rights.Product.Plan, Until: clampTime(s.Rights.Until)}
	}

	if s.Pending != nil {
		out.Pending = new(renderChange(*s.Pending))
	}

	if s.IfCanceled != nil {
		out.IfCanceled = &SubscriptionRemains{RightsUntil: timeOrNull(s.IfCanceled.RightsUntil), CreditsUntil: timeOrNull(s.IfCanceled.CreditsUntil)}
	}

	return out
}

func renderChange(c subscriptions.Change) SubscriptionChange {
	return SubscriptionChange{
		Object: SubscriptionChangeObjectSubscriptionChange, From: textOrNull(c.From.ID), To: c.To.ID, Currency: Currency(c.Currency), Immediate: c.Now,
		Credits: c.Credits, BilledAt: clampTime(c.BilledAt), Price: c.Price, AskedAt: timeOrNull(c.AskedAt),
	}
}

// timeOrNull is a time as JSON has it that may not be there.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}

	return new(clampTime(t))
}
