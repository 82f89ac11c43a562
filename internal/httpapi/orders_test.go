package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
	"imagerun/internal/payments"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/withdrawal"
	"imagerun/internal/redact"
)

func sampleOrder() orders.Order {
	return orders.Order{
		ID: bought, Kind: products.Plan, ProductID: "pro-monthly", Product: `Pro <& "more">`, Plan: "pro", SubscriptionID: &bought, TransactionID: "tran_1",
		Customer: "…1234", Email: redact.NewPersonal("alice@example.com"), Money: payments.Money{Currency: "EUR", Net: 1500, Tax: 285, Paid: 1785},
		PaidAt: boughtA, PeriodStart: &boughtA, PeriodEnd: new(boughtA.AddDate(0, 1, 0)), Credits: 500, Refunded: 5, Refund: orders.RefundPartly,
		WaivedAt: &boughtA,
	}
}

func TestOrders_Get(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.order = boughtByAlice(sampleOrder(), error(orders.ErrNotFound))

	w := b.do("GET", "/v1/orders/"+orderID, "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "get", "/v1/orders/{id}", w)

	got := decode[httpapi.Order](t, w)
	require.Equal(t, "alice@example.com", *got.Email)
	require.Equal(t, subscriptionID, *got.Subscription)
	require.Equal(t, []int64{1500, 285, 1785, 5}, []int64{got.Net, got.Tax, got.Paid, got.Refunded})
	require.NotContains(t, b.log.String(), "alice@example.com")

	requireCode(t, b.do("GET", "/v1/orders/"+orderID, "", "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")
	requireCode(t, b.do("GET", "/v1/orders/"+orderID+"/receipt", "", "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")

	// Of a payment of which little is known yet, or any more.
	shop.order = boughtByAlice(orders.Order{ID: bought, Kind: products.Pack, Money: payments.Money{Currency: "USD"}, PaidAt: boughtA, Refund: orders.RefundNone}, nil)
	w = b.do("GET", "/v1/orders/"+orderID, "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/orders/{id}", w)
	require.Equal(t, http.StatusOK, b.do("GET", "/v1/orders/"+orderID+"/receipt", "").Code)
}

func TestOrders_List(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.orders = func(after orders.Place, limit int) (orders.Page, error) {
		require.Zero(t, after)
		require.Equal(t, 1, limit)

		return orders.Page{Orders: []orders.Order{sampleOrder()}, HasMore: true}, nil
	}

	w := b.do("GET", "/v1/orders?limit=1", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "get", "/v1/orders", w)

	cursor := decode[httpapi.OrderList](t, w).NextCursor
	require.NotNil(t, cursor)

	shop.orders = func(after orders.Place, limit int) (orders.Page, error) {
		require.Equal(t, orders.Place{PaidAt: boughtA, ID: bought}, after)
		require.Equal(t, 20, limit)

		return orders.Page{}, nil
	}

	w = b.do("GET", "/v1/orders?starting_after="+*cursor, "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/orders", w)

	requireCode(t, b.do("GET", "/v1/orders?starting_after="+canary, ""), 422, "validation_failed")
	requireCode(t, b.do("GET", "/v1/orders?starting_after="+orderID, ""), 422, "validation_failed")
}

func TestOrders_Receipt(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.order = boughtByAlice(sampleOrder(), error(orders.ErrNotFound))

	w := b.do("GET", "/v1/orders/"+orderID+"/receipt", "", "Accept", "application/json")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	requirePage(t, w)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	page := w.Body.String()
	for _, want := range []string{orderID, "EUR 17.85", "EUR 15.00", "EUR 2.85", "EUR 0.05", "tran_1", "alice@example.com", "2026-11-22 15:00 to 2026-12-22 15:00"} {
		require.Contains(t, page, want)
	}

	require.Contains(t, page, "Pro &lt;&amp; &#34;more&#34;&gt;", "a name is text")
}

func TestWithdrawals(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.offer = boughtByAlice(withdrawal.Offer{
		OrderID: bought, Product: pro, Currency: "EUR", Paid: 1785, Money: 893, Waived: true, Given: 500, Used: 250, Credits: 250, EndsPlan: true,
		ByHand: true, Until: boughtA.AddDate(0, 0, 15), Token: "token",
	}, error(withdrawal.ErrNotFound))

	w := b.do("GET", "/v1/orders/"+orderID+"/withdrawal", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "get", "/v1/orders/{id}/withdrawal", w)

	offer := decode[httpapi.WithdrawalOffer](t, w)
	require.Equal(t, []int64{1785, 893, 500, 250, 250}, []int64{offer.Paid, offer.Refund, offer.CreditsGiven, offer.CreditsUsed, offer.CreditsTaken})
	require.Equal(t, "token", offer.Confirm)

	shop.declare = func(userID, id uuid.UUID, token string) (withdrawal.Withdrawal, error) {
		if userID != alice || id != bought {
			return withdrawal.Withdrawal{}, withdrawal.ErrNotFound
		}

		if token != "token" {
			return withdrawal.Withdrawal{}, withdrawal.ErrChanged
		}

		return withdrawal.Withdrawal{
			Number: 7, OrderID: bought, Currency: "EUR", Money: 893, Credits: 250, Content: "I withdraw.", DeclaredAt: boughtA.Add(time.Hour), Hash: []byte{0xab},
		}, nil
	}

	w = b.do("POST", "/v1/orders/"+orderID+"/withdrawal", `{"confirm":"token"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "post", "/v1/orders/{id}/withdrawal", w)
	require.Equal(t, "ab", decode[httpapi.Withdrawal](t, w).Hash)

	requireCode(t, b.do("POST", "/v1/orders/"+orderID+"/withdrawal", `{"confirm":"`+canary+`"}`), 409, "withdrawal_changed")
	requireCode(t, b.do("POST", "/v1/orders/"+orderID+"/withdrawal", `{}`), 422, "validation_failed")
	requireCode(t, b.do("POST", "/v1/orders/"+orderID+"/withdrawal", `{"confirm":"token"}`, "Authorization", "Bearer bob"), 404, "not_found")
	requireCode(t, b.do("GET", "/v1/orders/"+orderID+"/withdrawal", "", "Authorization", "Bearer bob"), 404, "not_found")
}

func TestWithdrawals_Refuse(t *testing.T) {
	t.Parallel()

	for code, err := range map[string]error{
		"withdrawal_off": withdrawal.ErrOff, "withdrawal_too_late": withdrawal.ErrTooLate, "withdrawal_declared": withdrawal.ErrWithdrawn,
		"order_refunded": withdrawal.ErrRefunded, "order_disputed": withdrawal.ErrDisputed, "withdrawal_used_up": withdrawal.ErrUsedUp,
		"order_not_ready": withdrawal.ErrNotReady,
	} {
		b, shop := setupShop(t)
		shop.offer = func(uuid.UUID, uuid.UUID) (withdrawal.Offer, error) { return withdrawal.Offer{}, err }
		requireCode(t, b.do("GET", "/v1/orders/"+orderID+"/withdrawal", ""), http.StatusConflict, code)
	}
}
