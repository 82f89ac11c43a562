package creemsim_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestEndpoints_AreKept(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	made := b.get("POST", "/v1/webhooks", `{"url":"`+b.hook+`","name":"billing","events":["checkout.completed"]}`)
	path := "/v1/webhooks/" + text(made, "id")

	require.Equal(t, text(made, "secret"), b.get("GET", path+"/secret", "")["secret"])
	require.NotContains(t, b.get("GET", path, ""), "secret")
	require.Len(t, items(b.get("GET", "/v1/webhooks", "")), 2, "the options' own as well")

	changed := b.get("PATCH", path, `{"name":"other","events":[],"status":"disabled"}`)
	require.Equal(t, []any{"other", "disabled", []any{}}, []any{changed["name"], changed["status"], changed["events"]})
	b.buy(pack)
	b.await(1)

	require.Equal(t, "enabled", b.get("PATCH", path, `{"status":"enabled"}`)["status"])
	b.buy(monthly)
	b.await(1 + 2*3)

	require.Equal(t, text(made, "id"), b.get("DELETE", path, "")["id"])
	require.Equal(t, http.StatusNotFound, b.do("GET", path, "").status)

	for _, refused := range []string{`{}`, `{"url":"ftp://x.example"}`, `{"url":"https://x.example","events":["subscription.updated"]}`, `{"url":"https://x.example","delivery_mode":"pigeon"}`} {
		require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/webhooks", refused).status, refused)
	}
}

// What waits for a cli endpoint is lost by nothing, and any ack takes it out.
func TestFeed_WaitsForAcks(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{LoseWebhooks: true}})
	feed := "/v1/webhooks/" + text(b.get("POST", "/v1/webhooks", `{"delivery_mode":"cli"}`), "id")
	pending := func() []map[string]any { return items(b.get("GET", feed+"/events/pending", "")) }
	b.buy(monthly)

	waiting := pending()
	require.Len(t, waiting, 3)
	require.Len(t, items(b.get("GET", feed+"/events/pending?limit=2", "")), 2)
	require.Equal(t, "checkout.completed", waiting[0]["event_type"], "the oldest first")
	require.NotEmpty(t, text(waiting[0], "headers", "creem-signature"))
	require.Equal(t, string(b.sim.Events()[0].Body), waiting[0]["body"])

	for i, status := range []int{200, 503} {
		ack := feed + "/events/" + text(waiting[i], "id") + "/ack"
		got := b.get("POST", ack, `{"status_code":`+strconv.Itoa(status)+`}`)
		require.Equal(t, []any{waiting[i]["id"], status == 200}, []any{got["id"], got["success"]})
		require.Equal(t, got, b.get("POST", ack, `{"status_code":204}`), "the stored result")
	}

	require.Len(t, pending(), 1)
	require.Equal(t, http.StatusBadRequest, b.do("POST", feed+"/events/"+text(waiting[2], "id")+"/ack", `{}`).status)
	require.Equal(t, http.StatusNotFound, b.do("POST", feed+"/events/evt_none/ack", `{"status_code":200}`).status)
	require.Equal(t, http.StatusBadRequest, b.do("GET", feed+"/events/pending?limit=101", "").status)
}

func TestSummary_AddsUp(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	start := b.sim.Clock.Now()
	b.buy(pack)
	b.buy(yearly)
	b.move(40 * day)
	require.NoError(t, b.sim.Refund(b.buy(pack).OrderID, 0))

	got := b.get("GET", "/v1/stats/summary?currency=EUR&interval=month&startDate="+strconv.FormatInt(start.UnixMilli(), 10)+
		"&endDate="+strconv.FormatInt(b.sim.Clock.Now().Add(time.Hour).UnixMilli(), 10), "")
	totals, _ := got["totals"].(map[string]any)
	require.Equal(t, map[string]any{
		"totalProducts": 5.0, "totalSubscriptions": 1.0, "totalCustomers": 1.0, "totalPayments": 3.0, "activeSubscriptions": 1.0,
		"totalRevenue": 14520.0, "totalNetRevenue": 11000.0, "netMonthlyRecurringRevenue": 833.0, "monthlyRecurringRevenue": 833.0,
	}, totals)
	require.Len(t, got["periods"], 2)
	require.Equal(t, http.StatusBadRequest, b.do("GET", "/v1/stats/summary", "").status)
}

// The endpoints for credits have another shape of errors, and answer 201.
func TestCredits_AreBookedOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	made := b.do("POST", "/v1/customer-credits/accounts", `{"customer_id":"`+b.buy(pack).CustomerID+`","name":"default","unit_label":"credits","initial_balance":"300"}`)
	require.Equal(t, http.StatusCreated, made.status, made.raw)

	path := "/v1/customer-credits/accounts/" + text(made.body, "id")
	debit := func(amount, key string) reply {
		return b.do("POST", path+"/debit", `{"amount":"`+amount+`","reference":"r","idempotency_key":"`+key+`"}`)
	}

	first := debit("200", "k1")
	require.Equal(t, http.StatusCreated, first.status)

	again := debit("200", "k1")
	require.Equal(t, first.raw, again.raw)
	require.Equal(t, "true", again.header.Get("X-Idempotent-Replay"))
	require.Equal(t, "100", b.get("GET", path+"/balance", "")["balance"])

	for _, refused := range []struct {
		r      reply
		status int
		code   string
	}{
		{debit("100", "k1"), http.StatusConflict, "idempotency_conflict"},
		{debit("101", "k2"), http.StatusUnprocessableEntity, "insufficient_balance"},
		{debit("much", "k3"), http.StatusBadRequest, "invalid_amount"},
	} {
		require.Equal(t, refused.status, refused.r.status)
		require.Equal(t, refused.code, text(refused.r.body, "error", "code"))
		require.Equal(t, "invalid_request_error", text(refused.r.body, "error", "type"))
	}
}
