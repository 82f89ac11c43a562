package creemsim_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestControl_DoesWhatABuyerDoes(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	first, second, third := b.checkout(monthly, `,"success_url":"https://app.example/return"`), b.checkout(pack, ""), b.checkout(pack, "")

	paid := b.get("POST", "/_control/checkouts/"+first+"/pay", "")
	require.Regexp(t, "^https://app.example/return\\?checkout_id="+first, text(paid, "return_url"))
	require.Equal(t, first, text(paid, "checkout_id"))
	require.NotEmpty(t, text(paid, "order_id"))
	require.NotEmpty(t, text(paid, "subscription_id"))
	b.get("POST", "/_control/checkouts/"+second+"/decline", "")
	b.get("POST", "/_control/checkouts/"+third+"/abandon", "")

	require.Equal(t, http.StatusConflict, b.do("POST", "/_control/checkouts/"+third+"/pay", "").status)
	require.Equal(t, http.StatusNotFound, b.do("POST", "/_control/checkouts/ch_none/pay", "").status)

	list := b.do("GET", "/_control/checkouts", "").raw
	for _, part := range []string{first, second, third, `"total":1210`, `"status":"expired"`, `"status":"pending"`, `"status":"completed"`} {
		require.Contains(t, list, part)
	}

	require.Equal(t, "2027-03-02T12:00:00Z", text(b.get("POST", "/_control/clock", `{"advance":"720h"}`), "now"))
	require.EqualValues(t, 1, b.sim.Stats().Renewals)

	b.get("POST", "/_control/orders/"+text(paid, "order_id")+"/refund", `{"amount":10}`)
	b.get("POST", "/_control/orders/"+text(paid, "transaction_id")+"/refund", "")
	b.get("POST", "/_control/orders/"+text(b.subscription(text(paid, "subscription_id")), "last_transaction_id")+"/dispute", "")
	require.Equal(t, http.StatusConflict, b.do("POST", "/_control/orders/"+text(paid, "order_id")+"/refund", "").status)
	require.Equal(t, http.StatusNotFound, b.do("POST", "/_control/orders/ord_none/dispute", "").status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/_control/orders/ord_none/refund", `{"amont":10}`).status)
	require.Equal(t, []string{"subscription.paid", "refund.created", "refund.created", "dispute.created"}, b.told(3))
	require.Contains(t, b.do("GET", "/_control/events", "").raw, "dispute.created")

	stats := b.get("GET", "/_control/stats", "")
	require.Equal(t, []any{3.0, 1.0, 1.0, 2.0, 1.0, 7.0}, []any{
		stats["checkouts_made"], stats["checkouts_paid"], stats["payments_declined"], stats["refunds_made"], stats["disputes"], stats["events"],
	})

	page := b.do("GET", "/_control/", "").raw
	require.Contains(t, page, "creemsim, the control surface")
	require.Contains(t, page, `id="checkouts"`)
	require.NotContains(t, b.do("GET", "/_control/requests", "").raw, testKey)
}

func TestControl_TurnsKnobs(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	require.Equal(t, true, b.get("PUT", "/_control/knobs", `{"lose_webhooks":true,"bodies":"documented"}`)["lose_webhooks"])
	require.True(t, b.sim.Knobs().LoseWebhooks)
	require.Equal(t, "local", b.get("GET", "/v1/products/"+pack, "")["mode"])

	for _, slip := range []string{
		`{"loose_webhooks":true}`, `{"bodies":"other"}`, `{"webhook_fault":"nope"}`, `{"limit_every_nth":-1}`, `{"delay_webhooks_ms":-1}`, `{"chaos":{"only":["nowhere"]}}`,
	} {
		before := b.sim.Knobs()
		require.Equal(t, http.StatusBadRequest, b.do("PUT", "/_control/knobs", slip).status, slip)
		require.Equal(t, before, b.sim.Knobs(), slip)
	}

	b.buy(pack)
	require.Equal(t, http.StatusNoContent, b.do("POST", "/_control/reset", "").status)
	require.Empty(t, b.sim.Events())
	require.False(t, b.sim.Knobs().LoseWebhooks)
	require.Empty(t, items(b.get("GET", "/v1/transactions/search", "")))
	b.buy(pack)
	b.await(1)
}
