package creemsim_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestKey_IsRequired(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})

	for _, key := range []string{"", "creem_live_key"} {
		r := b.do("GET", "/v1/products/"+pack, "", "x-api-key", key, "Authorization", "Bearer "+testKey)
		require.Equal(t, http.StatusForbidden, r.status)
		require.Equal(t, "Forbidden", r.body["error"])
		require.InDelta(t, 403, r.body["status"], 0)
		require.NotContains(t, r.body, "message")
	}

	missing := b.do("GET", "/v1/nothing", "")
	require.Equal(t, http.StatusNotFound, missing.status)
	require.Equal(t, "Bad Request", missing.body["error"], "as the live API was seen to say")
}

func TestProducts_AreKept(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	create := func(key, body string) reply { return b.do("POST", "/v1/products", body, "Idempotency-Key", key) }

	const body = `{"name":"More","description":"1000 credits","price":1900,"currency":"USD","billing_type":"onetime","abandoned_cart_recovery_enabled":false}`

	made := create("key-1", body)
	require.Equal(t, http.StatusOK, made.status, made.raw)
	require.Equal(t, made.body["id"], create("key-1", body).body["id"])
	require.NotEqual(t, made.body["id"], create("key-2", body).body["id"])
	require.Equal(t, "once", made.body["billing_period"])

	for _, refused := range []string{`{}`, `{"name":"x","description":"y","price":99,"currency":"USD","billing_type":"onetime"}`, `{"name":"x","description":"y","price":100,"currency":"GBP","billing_type":"onetime"}`} {
		require.Equal(t, http.StatusBadRequest, create("", refused).status)
	}

	path := "/v1/products/" + text(made.body, "id")
	require.InDelta(t, 2900, b.get("PATCH", path, `{"price":2900}`)["price"], 0)
	require.Equal(t, "archived", b.get("DELETE", path, "")["status"])
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/checkouts", `{"product_id":"`+text(made.body, "id")+`"}`).status)
	require.Len(t, items(b.get("GET", "/v1/products/search?status=active", "")), 6)
	require.Len(t, items(b.get("GET", "/v1/products/search?status=archived", "")), 1)
	require.Equal(t, "Pack", b.get("GET", "/v1/products?product_id="+pack, "")["name"])
}

func TestCustomers_AreKept(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	made := b.get("POST", "/v1/customers", `{"email":"Ada@example.com","name":"Ada","metadata":{"a":1},"external_id":"usr_1"}`)
	id := text(made, "id")

	require.Equal(t, []any{"ada@example.com", "Ada", "usr_1", "NL"}, []any{made["email"], made["name"], made["external_id"], made["country"]})
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/customers", `{"email":"ADA@example.com"}`).status)

	cleared := b.get("PATCH", "/v1/customers", `{"customer_id":"`+id+`","metadata":null,"external_id":null}`)
	require.NotContains(t, cleared, "metadata")
	require.NotContains(t, cleared, "external_id")

	b.buy(pack)
	require.Equal(t, http.StatusConflict, b.do("PATCH", "/v1/customers", `{"customer_id":"`+id+`","email":"buyer@example.com"}`).status)

	paid, err := b.sim.PayCheckout(b.checkout(monthly, `,"customer":{"id":"`+id+`"}`))
	require.NoError(t, err)
	require.Equal(t, id, paid.CustomerID)
	require.Len(t, items(b.get("GET", "/v1/customers/"+id+"/orders", "")), 1)
	require.Equal(t, paid.SubscriptionID, items(b.get("GET", "/v1/customers/"+id+"/subscriptions", ""))[0]["id"])
	require.Len(t, items(b.get("GET", "/v1/customers/list", "")), 2)
	require.Equal(t, b.url+"/portal/"+id, b.get("POST", "/v1/customers/billing", `{"customer_id":"`+id+`"}`)["customer_portal_link"])
	require.Equal(t, http.StatusNotFound, b.do("GET", "/v1/customers?email=none@example.com", "").status)

	// By customer, order and product; nothing else filters.
	require.Len(t, items(b.get("GET", "/v1/transactions/search?customer_id="+id, "")), 1)
	require.Len(t, items(b.get("GET", "/v1/transactions/search?product_id="+pack+"&status=refunded", "")), 1)
	require.Empty(t, items(b.get("GET", "/v1/transactions/search?product_id="+pack+"&order_id="+paid.OrderID, "")))
}

// With a seed, ids are the same in every run.
func TestSeed_RepeatsIds(t *testing.T) {
	t.Parallel()

	first, second := setup(t, creemsim.Options{}), setup(t, creemsim.Options{})
	require.Equal(t, first.checkout(pack, ""), second.checkout(pack, ""))
}
