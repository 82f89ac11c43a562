package httpapi

import (
	"context"
	"encoding/hex"

	"github.com/google/uuid"

	"imagerun/internal/payments/withdrawal"
	"imagerun/internal/publicid"
)

// Withdrawals is the domain behind /v1/orders/{id}/withdrawal. Another user's order answers withdrawal.ErrNotFound.
type Withdrawals interface {
	// Offer tells what a withdrawal would return now.
	Offer(ctx context.Context, userID, orderID uuid.UUID) (withdrawal.Offer, error)
	// Declare withdraws from an order, as was offered.
	Declare(ctx context.Context, userID, orderID uuid.UUID, token string) (withdrawal.Withdrawal, error)
}

// OfferWithdrawal implements the contract's operation.
func (s *server) OfferWithdrawal(ctx context.Context, r OfferWithdrawalRequestObject) (OfferWithdrawalResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixOrder, r.ID)
	if err != nil {
		return nil, err
	}

	o, err := s.Payments.Withdrawals.Offer(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	return OfferWithdrawal200JSONResponse{
		Object: WithdrawalOfferObjectWithdrawalOffer, Order: publicid.Format(publicid.PrefixOrder, o.OrderID), Product: textOrNull(o.Product.ID),
		Currency: Currency(o.Currency), Paid: o.Paid, Refund: o.Money, Waived: o.Waived, CreditsGiven: o.Given, CreditsUsed: o.Used,
		CreditsTaken: o.Credits, EndsSubscription: o.EndsPlan, ByHand: o.ByHand, Until: clampTime(o.Until), Confirm: o.Token,
	}, nil
}

// DeclareWithdrawal implements the contract's operation.
func (s *server) DeclareWithdrawal(ctx context.Context, r DeclareWithdrawalRequestObject) (DeclareWithdrawalResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixOrder, r.ID)
	if err != nil {
		return nil, err
	}

	w, err := s.Payments.Withdrawals.Declare(ctx, userID, id, r.Body.Confirm)
	if err != nil {
		return nil, err
	}

	return DeclareWithdrawal200JSONResponse{
		Object: WithdrawalObjectWithdrawal, Number: w.Number, Order: publicid.Format(publicid.PrefixOrder, w.OrderID), Currency: Currency(w.Currency),
		Refund: w.Money, CreditsTaken: w.Credits, Content: w.Content, DeclaredAt: clampTime(w.DeclaredAt), Hash: hex.EncodeToString(w.Hash),
	}, nil
}
