package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
	"imagerun/internal/payments"
	"imagerun/internal/payments/subscriptions"
)

func sampleSubscription() subscriptions.Subscription {
	ends := boughtA.AddDate(0, 1, 0)

	return subscriptions.Subscription{
		ID: bought, Status: payments.SubscriptionActive, Product: pro, Currency: "EUR", PeriodStart: boughtA, PeriodEnd: ends, RenewsAt: ends, CreatedAt: boughtA,
		Rights:     &subscriptions.Rights{Product: pro, Until: ends},
		Pending:    new(sampleChange()),
		IfCanceled: &subscriptions.Remains{RightsUntil: ends},
	}
}

func sampleChange() subscriptions.Change {
	studio := pro
	studio.ID, studio.Name = "studio-monthly", "Studio"

	return subscriptions.Change{From: pro, To: studio, Currency: "EUR", Now: true, Credits: 1250, BilledAt: boughtA, Price: 6000, AskedAt: boughtA}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)

	var did []string

	shop.subscription = func(what string, userID, id uuid.UUID) (subscriptions.Subscription, error) {
		did = append(did, what)

		return boughtByAlice(sampleSubscription(), error(subscriptions.ErrNotFound))(userID, id)
	}

	for _, c := range []struct{ method, path, body, did string }{
		{"GET", "/v1/subscriptions/{id}", "", "get"},
		{"POST", "/v1/subscriptions/{id}/cancel", "", "cancel"},
		{"POST", "/v1/subscriptions/{id}/resume", "", "resume"},
		{"POST", "/v1/subscriptions/{id}/change", `{"product":"studio-monthly"}`, "change studio-monthly"},
	} {
		did = nil
		w := b.do(c.method, withShopID(c.path), c.body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.Equal(t, []string{c.did}, did)
		contractOf(t).requireConforms(t, "200", map[string]string{"GET": "get", "POST": "post"}[c.method], c.path, w)

		got := decode[httpapi.Subscription](t, w)
		require.Equal(t, subscriptionID, got.ID)
		require.Equal(t, "pro", got.Rights.Plan)
		require.EqualValues(t, 1250, got.Pending.Credits)
		require.Nil(t, got.EndsAt)
		require.Nil(t, got.IfCanceled.CreditsUntil)

		requireCode(t, b.do(c.method, withShopID(c.path), c.body, "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")
	}

	shop.subscribed = []subscriptions.Subscription{sampleSubscription(), {ID: uuid.New(), Status: payments.SubscriptionUnknown}}
	w := b.do("GET", "/v1/subscriptions", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "get", "/v1/subscriptions", w)
	require.Len(t, decode[httpapi.SubscriptionList](t, w).Data, 2)
}

func TestSubscriptions_Preview(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.change = func(id uuid.UUID, productID string) (subscriptions.Change, error) {
		require.Equal(t, bought, id)
		require.Equal(t, "studio-monthly", productID)

		return sampleChange(), nil
	}

	w := b.do("GET", "/v1/subscriptions/"+subscriptionID+"/change?product=studio-monthly", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "get", "/v1/subscriptions/{id}/change", w)

	got := decode[httpapi.SubscriptionChange](t, w)
	require.True(t, got.Immediate)
	require.Equal(t, []string{"pro-monthly", "studio-monthly"}, []string{*got.From, got.To})

	for target, want := range map[string]string{"": "?product required", "?product=" + canary: "?product pattern", "?product=a&when=now": "?when additionalProperties"} {
		w = b.do("GET", "/v1/subscriptions/"+subscriptionID+"/change"+target, "")
		require.Equal(t, []string{want}, pointers(requireCode(t, w, 422, "validation_failed")))
	}

	requireCode(t, b.do("POST", "/v1/subscriptions/"+subscriptionID+"/change", `{}`), 422, "validation_failed")
}

func TestSubscriptions_Refuse(t *testing.T) {
	t.Parallel()

	for code, c := range map[string]struct {
		err    error
		status int
	}{
		"validation_failed":      {subscriptions.ErrProduct, 422},
		"subscription_ended":     {subscriptions.ErrEnded, 409},
		"subscription_canceled":  {subscriptions.ErrCanceled, 409},
		"subscription_unpaid":    {subscriptions.ErrUnpaid, 409},
		"subscription_not_ready": {subscriptions.ErrNotReady, 409},
		"subscription_changing":  {subscriptions.ErrChanging, 409},
		"subscription_changed":   {subscriptions.ErrChangeBack, 409},
		"subscription_refused":   {subscriptions.ErrRefused, 409},
		"payment_refused":        {subscriptions.ErrPaymentRefused, 402},
		"payments_unavailable":   {subscriptions.ErrUnavailable, 503},
		"payment_unclear":        {subscriptions.ErrUnclear, 503},
	} {
		b, shop := setupShop(t)
		shop.subscription = func(string, uuid.UUID, uuid.UUID) (subscriptions.Subscription, error) {
			return subscriptions.Subscription{}, c.err
		}
		requireCode(t, b.do("POST", "/v1/subscriptions/"+subscriptionID+"/change", `{"product":"studio-monthly"}`), c.status, code)
	}
}

func TestBillingPortal(t *testing.T) {
	t.Parallel()

	b, shop := setupShop(t)
	shop.portal = func(userID uuid.UUID) (string, error) {
		if userID != alice {
			return "", subscriptions.ErrNoCustomer
		}

		return "https://portal.example/secret", nil
	}

	w := b.do("POST", "/v1/billing_portal", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	contractOf(t).requireConforms(t, "200", "post", "/v1/billing_portal", w)
	require.Equal(t, "https://portal.example/secret", decode[httpapi.BillingPortal](t, w).URL)
	require.NotContains(t, b.log.String(), "portal.example")

	requireCode(t, b.do("POST", "/v1/billing_portal", "", "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")
}
