package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/payments/withdrawal"
)

// The ids of what alice bought.
const (
	checkoutID     = "cko_0197f2a8c4d27b53a1f09e6d58c3b214"
	orderID        = "ord_0197f2a8c4d27b53a1f09e6d58c3b214"
	subscriptionID = "sub_0197f2a8c4d27b53a1f09e6d58c3b214"
)

// productsRoute is the one of the contract that knows no callers: it is the same for everybody, and may be kept.
const productsRoute = "GET /v1/products"

var (
	bought  = uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214")
	boughtA = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	pack    = products.Product{
		ID: "pack-small", Kind: products.Pack, Name: "100 credits", Description: "For trying out.", Credits: 100,
		Prices: []products.Price{{Currency: "EUR", Amount: 500, VendorIDs: map[products.Environment]string{products.Test: "prod_secret"}}},
	}
	pro = products.Product{
		ID: "pro-monthly", Kind: products.Plan, Name: "Pro", Description: "More.", Credits: 500, Plan: "pro", Rank: 1, Interval: products.Month,
		CreditMonths: 2, Prices: []products.Price{{Currency: "EUR", Amount: 1500}, {Currency: "USD", Amount: 1600}},
	}
)

// shop is the services of buying. A function that a test has not set must not be called.
type shop struct {
	*fakes

	begin    func(r checkout.Request) (checkout.Checkout, error)
	checkout func(userID, id uuid.UUID) (checkout.Checkout, error)
	orders   func(after orders.Place, limit int) (orders.Page, error)
	order    func(userID, id uuid.UUID) (orders.Order, error)
	offer    func(userID, id uuid.UUID) (withdrawal.Offer, error)
	declare  func(userID, id uuid.UUID, token string) (withdrawal.Withdrawal, error)

	subscribed   []subscriptions.Subscription
	subscription func(what string, userID, id uuid.UUID) (subscriptions.Subscription, error)
	change       func(id uuid.UUID, productID string) (subscriptions.Change, error)
	portal       func(userID uuid.UUID) (string, error)
}

// setupShop is the edge over fakes that sell something.
func setupShop(t *testing.T) (*bundle, *shop) {
	t.Helper()

	s := &shop{}
	b := setup(t, func(d *httpapi.Deps) {
		d.Payments = &httpapi.Payments{Checkouts: checkouts{s}, Orders: till{s}, Subscriptions: plans{s}, Withdrawals: s}
	})
	s.fakes = b.fakes

	return b, s
}

type checkouts struct{ *shop }

func (checkouts) Sold() []products.Product { return []products.Product{pack, pro} }
func (checkouts) Waivable() bool           { return true }

func (c checkouts) Begin(_ context.Context, _ uuid.UUID, r checkout.Request) (checkout.Checkout, error) {
	c.note("Begin", c.begin != nil)

	return c.begin(r)
}

func (c checkouts) Ask(_ context.Context, userID, id uuid.UUID) (checkout.Checkout, error) {
	c.note("Ask", c.checkout != nil)

	return c.checkout(userID, id)
}

type till struct{ *shop }

func (p till) List(_ context.Context, _ uuid.UUID, after orders.Place, limit int) (orders.Page, error) {
	p.note("ListOrders", p.orders != nil)

	return p.orders(after, limit)
}

func (p till) Get(_ context.Context, userID, id uuid.UUID) (orders.Order, error) {
	p.note("GetOrder", p.order != nil)

	return p.order(userID, id)
}

func (s *shop) Offer(_ context.Context, userID, id uuid.UUID) (withdrawal.Offer, error) {
	s.note("Offer", s.offer != nil)

	return s.offer(userID, id)
}

func (s *shop) Declare(_ context.Context, userID, id uuid.UUID, token string) (withdrawal.Withdrawal, error) {
	s.note("Declare", s.declare != nil)

	return s.declare(userID, id, token)
}

type plans struct{ *shop }

func (p plans) List(context.Context, uuid.UUID) ([]subscriptions.Subscription, error) {
	return p.subscribed, nil
}

func (p plans) Get(_ context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error) {
	return p.do("get", userID, id)
}

func (p plans) Change(_ context.Context, userID, id uuid.UUID, productID string) (subscriptions.Subscription, error) {
	return p.do("change "+productID, userID, id)
}

func (p plans) Cancel(_ context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error) {
	return p.do("cancel", userID, id)
}

func (p plans) Resume(_ context.Context, userID, id uuid.UUID) (subscriptions.Subscription, error) {
	return p.do("resume", userID, id)
}

func (p plans) do(what string, userID, id uuid.UUID) (subscriptions.Subscription, error) {
	p.note(what, p.subscription != nil)

	return p.subscription(what, userID, id)
}

func (p plans) PreviewChange(_ context.Context, _, id uuid.UUID, productID string) (subscriptions.Change, error) {
	p.note("PreviewChange", p.change != nil)

	return p.change(id, productID)
}

func (p plans) PortalURL(_ context.Context, userID uuid.UUID) (string, error) {
	p.note("PortalURL", p.portal != nil)

	return p.portal(userID)
}

// boughtByAlice answers as the services do: what is not hers is not there.
func boughtByAlice[T any](what T, notFound error) func(userID, id uuid.UUID) (T, error) {
	return func(userID, id uuid.UUID) (T, error) {
		if userID != alice || id != bought {
			return *new(T), notFound
		}

		return what, nil
	}
}

// withShopID has an address name what alice bought.
func withShopID(path string) string {
	id := strings.NewReplacer("checkouts/{id}", "checkouts/"+checkoutID, "orders/{id}", "orders/"+orderID, "subscriptions/{id}", "subscriptions/"+subscriptionID)

	return id.Replace(path)
}

// shopRoutes are the routes of buying that need credentials, with a body where one is needed, and whether they only read.
var shopRoutes = map[string]struct {
	body  string
	reads bool
}{
	"POST /v1/checkouts":                             {body: `{"product":"pack-small","currency":"EUR"}`},
	"GET /v1/checkouts/{id}":                         {reads: true},
	"GET /v1/orders":                                 {reads: true},
	"GET /v1/orders/{id}":                            {reads: true},
	"GET /v1/orders/{id}/receipt":                    {reads: true},
	"GET /v1/orders/{id}/withdrawal":                 {reads: true},
	"POST /v1/orders/{id}/withdrawal":                {body: `{"confirm":"token"}`},
	"GET /v1/subscriptions":                          {reads: true},
	"GET /v1/subscriptions/{id}":                     {reads: true},
	"GET /v1/subscriptions/{id}/change?product=pack": {reads: true},
	"POST /v1/subscriptions/{id}/change":             {body: `{"product":"pro-monthly"}`},
	"POST /v1/subscriptions/{id}/cancel":             {},
	"POST /v1/subscriptions/{id}/resume":             {},
	"POST /v1/billing_portal":                        {},
}

func TestPayments_Access(t *testing.T) {
	t.Parallel()

	b, _ := setupShop(t)

	for route, c := range shopRoutes {
		method, path, _ := strings.Cut(withShopID(route), " ")

		requireCode(t, b.do(method, path, c.body, "Authorization", ""), http.StatusUnauthorized, "unauthenticated")
		requireCode(t, b.do(method, path, c.body, "Authorization", "Bearer reader"), http.StatusForbidden, "insufficient_scope")

		if !c.reads {
			p := requireCode(t, b.do(method, path, c.body, "Authorization", "Bearer bookkeeper"), http.StatusForbidden, "insufficient_scope")
			require.Equal(t, httpapi.Scope("payments:write"), *p.RequiredScope, route)
		}
	}

	require.Empty(t, b.calls())
}

// A caller hears that nothing is sold, and learns no more.
func TestPayments_NothingSold(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for route, c := range shopRoutes {
		method, path, _ := strings.Cut(withShopID(route), " ")
		requireCode(t, b.do(method, path, c.body), http.StatusNotFound, "not_found")
	}

	w := b.do("GET", "/v1/products", "", "Authorization", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, decode[httpapi.ProductList](t, w).Data)
	contractOf(t).requireConforms(t, "200", "get", "/v1/products", w)
}

// What is not an id of the kind is not there, and no service is asked for it.
func TestPayments_MalformedIDs(t *testing.T) {
	t.Parallel()

	b, _ := setupShop(t)

	for route, c := range shopRoutes {
		if !strings.Contains(route, "{id}") {
			continue
		}

		for _, id := range []string{canary, sampleID, strings.ToUpper(orderID), "0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214"} {
			method, path, _ := strings.Cut(strings.ReplaceAll(route, "{id}", id), " ")
			w := b.do(method, path, c.body)
			requireCode(t, w, http.StatusNotFound, "not_found")
			require.NotContains(t, w.Body.String(), canary)
		}
	}

	require.Empty(t, b.calls())
	require.NotContains(t, b.log.String(), canary)
}
