package httpapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments/checkout"
)

// requirePage demands a page that runs nothing and asks nobody for anything, under a policy that says so.
func requirePage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()

	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))

	page := w.Body.String()
	require.NotRegexp(t, `(?i)<script|<link|<img|<iframe|<form|@import|url\(| on[a-z]+=| style=`, page)
	require.NotContains(t, page, "ZgotmplZ")

	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	require.Len(t, style, 2)

	sum := sha256.Sum256([]byte(style[1]))
	require.Equal(t, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", w.Header().Get("Content-Security-Policy"))
}

const refresh = `<meta http-equiv="refresh" content="5">`

func TestReturn_ShowsItsOwnerOurRow(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)

	for status, want := range map[checkout.Status]string{
		checkout.StatusCreating: "We are waiting", checkout.StatusOpen: `<a href="https://pay.example/ch_1">`,
		checkout.StatusCompleted: `<a href="/v1/orders/` + orderID + `/receipt">`, checkout.StatusExpired: "is over", checkout.StatusFailed: "Nothing was charged",
	} {
		shop.checkout = boughtByAlice(sampleCheckout(status), error(checkout.ErrNotFound))

		// As the vendor sends people back: from another site, with parameters that we do not read.
		w := b.do("GET", "/checkout/return/"+checkoutID+"?status=completed&order_id="+canary+"&signature="+canary, "",
			"Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusOK, w.Code)
		requirePage(t, w)

		page := w.Body.String()
		require.Contains(t, page, want, status)
		require.Contains(t, page, `<a href="/">`)
		require.NotContains(t, page, canary)
		require.Equal(t, !status.Ended(), strings.Contains(page, refresh), status)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}

	require.NotContains(t, b.log.String(), canary)
}

// Whoever asks for what is not theirs, or is not there, or made it up, sees the same.
func TestReturn_ShowsOthersNothing(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.checkout = boughtByAlice(sampleCheckout(checkout.StatusCompleted), error(checkout.ErrNotFound))

	seen := map[string]bool{}

	for _, c := range []struct{ target, credentials string }{
		{checkoutID, ""},
		{checkoutID, "Bearer bob"},
		{checkoutID, "Bearer reader"}, // a key that may not see what was paid
		{checkoutID, "Bearer " + canary},
		{"cko_" + strings.Repeat("0", 32), "Bearer alice"},
		{orderID, "Bearer alice"},
		{canary + "?status=completed", "Bearer alice"},
		{"%3Cscript%3E", "Bearer alice"},
	} {
		w := b.do("GET", "/checkout/return/"+c.target, "", "Authorization", c.credentials)
		require.Equal(t, http.StatusOK, w.Code, c.target)
		requirePage(t, w)
		require.NotContains(t, w.Body.String(), refresh)

		seen[w.Body.String()] = true
	}

	require.Len(t, seen, 1)

	// Nor does one who asks where nothing is sold, or too often.
	require.True(t, seen[setup(t).do("GET", "/checkout/return/"+checkoutID, "").Body.String()])

	b.limits.over = map[string]time.Duration{"requests": time.Second}
	require.True(t, seen[b.do("GET", "/checkout/return/"+checkoutID, "").Body.String()])
}

func TestReturn_WhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.checkout = func(uuid.UUID, uuid.UUID) (checkout.Checkout, error) {
		return checkout.Checkout{}, errors.New("the database is away")
	}

	w := b.do("GET", "/checkout/return/"+checkoutID, "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "If you have paid")
	require.Contains(t, b.log.String(), "checkout could not be shown")
}
