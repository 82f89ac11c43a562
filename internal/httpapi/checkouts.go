package httpapi

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/products"
	"imagerun/internal/publicid"
)

// Checkouts is the domain behind /v1/products and /v1/checkouts. A user sees their own alone: another's id answers
// checkout.ErrNotFound.
type Checkouts interface {
	// Sold returns what is sold now.
	Sold() []products.Product
	// Waivable reports whether a buyer may waive their right to withdraw.
	Waivable() bool
	// Begin makes a page to pay at.
	Begin(ctx context.Context, userID uuid.UUID, r checkout.Request) (checkout.Checkout, error)
	// Ask returns one, and has one that is open looked at, now and then.
	Ask(ctx context.Context, userID, id uuid.UUID) (checkout.Checkout, error)
}

// ListProducts implements the contract's operation.
func (s *server) ListProducts(context.Context, ListProductsRequestObject) (ListProductsResponseObject, error) {
	out := ProductList{Object: ProductListObjectList, URL: "/v1/products", Data: []Product{}}

	if s.Payments == nil {
		return ListProducts200JSONResponse{Body: out}, nil
	}

	for _, p := range s.Payments.Checkouts.Sold() {
		out.Data = append(out.Data, renderProduct(p))
	}

	if s.Payments.Checkouts.Waivable() {
		out.Waiver = &Waiver{Version: checkout.WaiverVersion, Text: checkout.WaiverText}
	}

	return ListProducts200JSONResponse{Body: out}, nil
}

func renderProduct(p products.Product) Product {
	out := Product{
		ID: p.ID, Object: ProductObjectProduct, Kind: ProductKind(p.Kind), Name: p.Name, Description: p.Description, Credits: p.Credits,
		Plan: textOrNull(p.Plan), Prices: make([]Price, len(p.Prices)),
	}

	if p.Interval != "" {
		out.Interval = new(Interval(p.Interval))
	}

	if p.CreditMonths > 0 {
		out.CreditMonths = &p.CreditMonths
	}

	for i, price := range p.Prices {
		out.Prices[i] = Price{Currency: Currency(price.Currency), Amount: price.Amount}
	}

	return out
}

// BeginCheckout implements the contract's operation.
func (s *server) BeginCheckout(ctx context.Context, r BeginCheckoutRequestObject) (BeginCheckoutResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	request := checkout.Request{ProductID: r.Body.Product, Currency: r.Body.Currency, Waive: r.Body.Waive != nil && *r.Body.Waive}

	request.IdempotencyKey, request.Fingerprint, err = readIdempotency(r.Params.IdempotencyKey, "POST /v1/checkouts", r.Body)
	if err != nil {
		return nil, err
	}

	c, err := s.Payments.Checkouts.Begin(ctx, p.UserID, request)
	if err != nil {
		return nil, err
	}

	out := BeginCheckout201JSONResponse{
		Body: renderCheckout(c), Headers: BeginCheckout201ResponseHeaders{Location: new("/v1/checkouts/" + publicid.Format(publicid.PrefixCheckout, c.ID))},
	}
	if c.Replay != nil {
		out.Headers.IdempotentReplayed = new("true")
	}

	return out, nil
}

// GetCheckout implements the contract's operation.
func (s *server) GetCheckout(ctx context.Context, r GetCheckoutRequestObject) (GetCheckoutResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixCheckout, r.ID)
	if err != nil {
		return nil, err
	}

	c, err := s.Payments.Checkouts.Ask(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	return GetCheckout200JSONResponse(renderCheckout(c)), nil
}

func renderCheckout(c checkout.Checkout) Checkout {
	out := Checkout{
		ID: publicid.Format(publicid.PrefixCheckout, c.ID), Object: CheckoutObjectCheckout, Status: CheckoutStatus(c.Status), Product: c.ProductID,
		Currency: Currency(c.Currency), Amount: c.Amount, URL: textOrNull(c.URL), WaivedAt: clampOptionalTime(c.WaivedAt),
		CreatedAt: clampTime(c.CreatedAt), ExpiresAt: clampTime(c.ExpiresAt), EndedAt: clampOptionalTime(c.EndedAt), SupportCode: publicid.SupportCode(c.ID),
	}

	if c.OrderID != nil {
		out.Order = new(publicid.Format(publicid.PrefixOrder, *c.OrderID))
	}

	return out
}
