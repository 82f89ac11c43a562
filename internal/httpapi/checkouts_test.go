package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/payments/checkout"
)

func sampleCheckout(status checkout.Status) checkout.Checkout {
	c := checkout.Checkout{
		ID: bought, Status: status, ProductID: "pack-small", Currency: "EUR", Amount: 500, CreatedAt: boughtA, ExpiresAt: boughtA.Add(time.Hour),
	}

	switch status {
	case checkout.StatusOpen:
		c.URL = "https://pay.example/ch_1"
	case checkout.StatusCompleted:
		c.EndedAt, c.OrderID = new(boughtA.Add(time.Minute)), &bought
	case checkout.StatusExpired, checkout.StatusFailed:
		c.EndedAt = new(boughtA.Add(time.Hour))
	case checkout.StatusCreating:
	}

	return c
}

func TestProducts(t *testing.T) {
	t.Parallel()

	b, _ := setupShop(t)

	w := b.do("GET", "/v1/products", "", "Authorization", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "public, max-age=300", w.Header().Get("Cache-Control"))
	require.NotContains(t, w.Body.String(), "prod_secret", "what the vendor calls it is not said")
	contractOf(t).requireConforms(t, "200", "get", "/v1/products", w)

	got := decode[httpapi.ProductList](t, w)
	require.Equal(t, checkout.WaiverText, got.Waiver.Text)
	require.Equal(t, httpapi.Product{
		ID: "pro-monthly", Object: "product", Kind: "plan", Name: "Pro", Description: "More.", Credits: 500, Plan: new("pro"), Interval: new(httpapi.Month),
		CreditMonths: new(2), Prices: []httpapi.Price{{Currency: "EUR", Amount: 1500}, {Currency: "USD", Amount: 1600}},
	}, got.Data[1])
	require.Nil(t, got.Data[0].CreditMonths, "for ever")

	again := b.do("GET", "/v1/products", "", "Authorization", "", "If-None-Match", w.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.Code)
}

func TestCheckouts_Begin(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)

	var asked checkout.Request

	shop.begin = func(r checkout.Request) (checkout.Checkout, error) {
		asked = r

		return sampleCheckout(checkout.StatusOpen), nil
	}

	w := b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR","waive":true}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, "/v1/checkouts/"+checkoutID, w.Header().Get("Location"))
	require.Empty(t, w.Header().Get("Idempotent-Replayed"))
	contractOf(t).requireConforms(t, "201", "post", "/v1/checkouts", w)

	require.Equal(t, []string{"pack-small", "EUR", "k"}, []string{asked.ProductID, asked.Currency, asked.IdempotencyKey})
	require.True(t, asked.Waive)
	require.Len(t, asked.Fingerprint, 32)
	require.Equal(t, "https://pay.example/ch_1", *decode[httpapi.Checkout](t, w).URL)
	require.NotContains(t, b.log.String(), "pay.example", "who has the address can pay")

	shop.begin = func(checkout.Request) (checkout.Checkout, error) {
		c := sampleCheckout(checkout.StatusOpen)
		c.Replay = &idempotency.Record{ResourceID: c.ID, Status: http.StatusCreated}

		return c, nil
	}

	w = b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR"}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, w.Code)
	require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
	contractOf(t).requireConforms(t, "201", "post", "/v1/checkouts", w)
}

// The provider is slower than we are.
func TestCheckouts_HaveTheTimeOfTheVendor(t *testing.T) {
	t.Parallel()

	b := setup(t, func(d *httpapi.Deps) {
		d.Payments = &httpapi.Payments{Checkouts: slowShop{}}
	})

	require.Equal(t, http.StatusCreated, b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR"}`).Code)
}

type slowShop struct{ checkouts }

func (slowShop) Begin(ctx context.Context, _ uuid.UUID, _ checkout.Request) (checkout.Checkout, error) {
	if until, ok := ctx.Deadline(); !ok || time.Until(until) < 20*time.Second {
		return checkout.Checkout{}, context.DeadlineExceeded
	}

	return sampleCheckout(checkout.StatusOpen), nil
}

func TestCheckouts_Refuse(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{checkout.ErrProduct.WithFields(fault.Field{Pointer: "#/product", Keyword: "enum", Detail: "."}), 422, "product_not_sold"},
		{checkout.ErrCurrency.WithFields(fault.Field{Pointer: "#/currency", Keyword: "enum", Detail: "."}), 422, "currency_not_sold"},
		{checkout.ErrSubscribed, 409, "already_subscribed"},
		{fmt.Errorf("insert: %w", &checkout.OpenError{ID: bought}), 409, "checkout_open"},
		{checkout.ErrUnavailable, 503, "payments_unavailable"},
		{checkout.ErrRefused, 500, "checkout_refused"},
		{idempotency.ErrMismatch, 422, "idempotency_mismatch"},
	} {
		b, shop := setupShop(t)
		shop.begin = func(checkout.Request) (checkout.Checkout, error) { return checkout.Checkout{}, c.err }

		w := b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR"}`)
		p := requireCode(t, w, c.status, c.code)

		if c.code == "checkout_open" {
			require.Equal(t, checkoutID, *p.Checkout)
		} else {
			require.Nil(t, p.Checkout)
		}

		require.Equal(t, c.status == 503, w.Header().Get("Retry-After") != "")
	}
}

func TestCheckouts_BadInput(t *testing.T) {
	t.Parallel()

	b, _ := setupShop(t)

	for body, want := range map[string]string{
		`{"currency":"EUR"}`:                                                   "#/product required",
		`{"product":"pack-small"}`:                                             "#/currency required",
		`{"product":"` + canary + `","currency":"EUR"}`:                        "#/product pattern",
		`{"product":"pack-small","currency":"eur"}`:                            "#/currency pattern",
		`{"product":"pack-small","currency":"EUR","waive":"yes"}`:              "#/waive type",
		`{"product":"pack-small","currency":"EUR","price":1}`:                  "#/price additionalProperties",
		`{"product":"pack-small","currency":"EUR","user_id":"` + canary + `"}`: "#/user_id additionalProperties",
	} {
		w := b.do("POST", "/v1/checkouts", body)
		require.Equal(t, []string{want}, pointers(requireCode(t, w, 422, "validation_failed")))
		require.NotContains(t, w.Body.String(), canary)
	}

	requireCode(t, b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR"}`, "Idempotency-Key", "two words"), 400, "malformed_header")
	requireCode(t, b.do("POST", "/v1/checkouts", `{"product":"pack-small","currency":"EUR"}`,
		"Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "cross-site"), 403, "cross_origin")
	require.Empty(t, b.calls())
}

func TestCheckouts_Get(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)

	for _, status := range []checkout.Status{
		checkout.StatusCreating, checkout.StatusOpen, checkout.StatusCompleted, checkout.StatusExpired, checkout.StatusFailed,
	} {
		shop.checkout = boughtByAlice(sampleCheckout(status), error(checkout.ErrNotFound))

		w := b.do("GET", "/v1/checkouts/"+checkoutID, "")
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		contractOf(t).requireConforms(t, "200", "get", "/v1/checkouts/{id}", w)

		got := decode[httpapi.Checkout](t, w)
		require.EqualValues(t, status, got.Status)
		require.Equal(t, status == checkout.StatusCompleted, got.Order != nil)
	}

	requireCode(t, b.do("GET", "/v1/checkouts/"+checkoutID, "", "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")
}
