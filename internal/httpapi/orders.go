package httpapi

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/payments/orders"
	"imagerun/internal/publicid"
)

// Orders is the domain behind /v1/orders. A user sees their own alone: another's id answers orders.ErrNotFound.
type Orders interface {
	// List returns one page, newest first.
	List(ctx context.Context, userID uuid.UUID, after orders.Place, limit int) (orders.Page, error)
	// Get returns one.
	Get(ctx context.Context, userID, id uuid.UUID) (orders.Order, error)
}

// ordersPage is how many orders a page has unless its caller says.
const ordersPage = 20

// ListOrders implements the contract's operation.
func (s *server) ListOrders(ctx context.Context, r ListOrdersRequestObject) (ListOrdersResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	limit := ordersPage
	if r.Params.Limit != nil {
		limit = *r.Params.Limit
	}

	after, err := parsePlace("starting_after", r.Params.StartingAfter)
	if err != nil {
		return nil, err
	}

	var from orders.Place
	if after != nil {
		from = orders.Place{PaidAt: after.CreatedAt, ID: after.ID}
	}

	page, err := s.Payments.Orders.List(ctx, p.UserID, from, limit)
	if err != nil {
		return nil, err
	}

	out := ListOrders200JSONResponse{
		Object: OrderListObjectList, URL: "/v1/orders", HasMore: page.HasMore, Data: make([]Order, len(page.Orders)),
	}
	for i, o := range page.Orders {
		out.Data[i] = renderOrder(o)
	}

	if n := len(page.Orders); page.HasMore && n > 0 {
		out.NextCursor = new(formatPlace(page.Orders[n-1].PaidAt, page.Orders[n-1].ID))
	}

	return out, nil
}

// GetOrder implements the contract's operation.
func (s *server) GetOrder(ctx context.Context, r GetOrderRequestObject) (GetOrderResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixOrder, r.ID)
	if err != nil {
		return nil, err
	}

	o, err := s.Payments.Orders.Get(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	return GetOrder200JSONResponse(renderOrder(o)), nil
}

func renderOrder(o orders.Order) Order {
	out := Order{
		ID: publicid.Format(publicid.PrefixOrder, o.ID), Object: OrderObjectOrder, Kind: ProductKind(o.Kind), Product: textOrNull(o.ProductID),
		Name: textOrNull(o.Product), Plan: textOrNull(o.Plan), Transaction: textOrNull(o.TransactionID), Customer: textOrNull(o.Customer),
		Email: textOrNull(o.Email.Reveal()), Currency: Currency(o.Money.Currency), Net: o.Money.Net, Tax: o.Money.Tax, Paid: o.Money.Paid,
		PaidAt: clampTime(o.PaidAt), PeriodStart: clampOptionalTime(o.PeriodStart), PeriodEnd: clampOptionalTime(o.PeriodEnd),
		Credits: o.Credits, Refunded: o.Refunded, Refund: RefundState(o.Refund), WaivedAt: clampOptionalTime(o.WaivedAt),
		SupportCode: publicid.SupportCode(o.ID),
	}

	if o.SubscriptionID != nil {
		out.Subscription = new(publicid.Format(publicid.PrefixSubscription, *o.SubscriptionID))
	}

	return out
}
