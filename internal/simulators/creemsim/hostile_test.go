package creemsim_test

import (
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

// A stranger's payment comes in at the front between two pages: a row is met again, and none is missed.
func TestPages_Move(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{MovingPages: true}})

	var bought []string
	for range 7 {
		bought = append(bought, b.buy(pack).TransactionID)
	}

	seen := map[any]int{}

	for page := 1; ; page++ {
		got := b.get("GET", "/v1/transactions/search?page_size=3&page_number="+strconv.Itoa(page), "")
		for _, one := range items(got) {
			seen[one["id"]]++
		}

		if pages, _ := got["pagination"].(map[string]any); pages["next_page"] == nil {
			break
		}
	}

	twice := 0

	for _, id := range bought {
		require.Positive(t, seen[id])

		if seen[id] == 2 {
			twice++
		}
	}

	require.Positive(t, twice)
}

func TestPages_AreNeverCapped(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	for range 12 {
		b.checkout(pack, "")
		b.buy(pack)
	}

	require.Len(t, items(b.get("GET", "/v1/transactions/search", "")), 10)
	require.Len(t, items(b.get("GET", "/v1/transactions/search?page_size=100000", "")), 12)

	last := b.get("GET", "/v1/transactions/search?page_size=5&page_number=3", "")
	require.Len(t, items(last), 2)
	require.Equal(t, map[string]any{"total_records": 12.0, "total_pages": 3.0, "current_page": 3.0, "next_page": nil, "prev_page": 2.0}, last["pagination"])

	for _, query := range []string{"page_size=0", "page_number=-1", "page_size=ten"} {
		require.Equal(t, http.StatusBadRequest, b.do("GET", "/v1/transactions/search?"+query, "").status)
	}
}

// Right after an upgrade the event still has the old plan, and the API the new one.
func TestUpdate_IsStale(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{StaleUpdates: true}})
	paid := b.buy(monthly)
	b.get("POST", "/v1/subscriptions/"+paid.SubscriptionID+"/upgrade", `{"product_id":"prod_dearer"}`)

	for _, p := range b.await(4) {
		if p.event.Type == "subscription.update" {
			require.Equal(t, monthly, text(p.event.Object, "product", "id"))
		}
	}

	require.Equal(t, dearer, text(b.subscription(paid.SubscriptionID), "product", "id"))
}

func TestCalls_AreLimited(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{LimitEveryNth: 3}})

	var got []int
	for range 6 {
		r := b.do("GET", "/v1/products/"+pack, "")
		require.Empty(t, r.header.Get("Retry-After"))

		got = append(got, r.status)
	}

	require.Equal(t, []int{200, 200, 429, 200, 200, 429}, got)
}

// Chaos spoils every route, and what it says acts does act.
func TestChaos_SpoilsEveryRoute(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	feed := text(b.get("POST", "/v1/webhooks", `{"delivery_mode":"cli"}`), "id")
	sub := b.buy(monthly)

	calls := map[string][3]string{
		creemsim.RouteCheckouts:           {"POST", "/v1/checkouts", `{"product_id":"prod_pack"}`},
		creemsim.RouteCheckout:            {"GET", "/v1/checkouts?checkout_id=" + sub.CheckoutID, ""},
		creemsim.RoutePage:                {"GET", "/checkout/" + sub.CheckoutID, ""},
		creemsim.RouteProducts:            {"GET", "/v1/products/search", ""},
		creemsim.RouteCustomers:           {"GET", "/v1/customers/list", ""},
		creemsim.RouteBilling:             {"POST", "/v1/customers/billing", `{"customer_id":"` + sub.CustomerID + `"}`},
		creemsim.RouteTransactions:        {"GET", "/v1/transactions/search", ""},
		creemsim.RouteRefunds:             {"POST", "/v1/refunds", `{"transaction_id":"` + sub.TransactionID + `"}`},
		creemsim.RouteSubscriptions:       {"GET", "/v1/subscriptions/search", ""},
		creemsim.RouteSubscriptionChanges: {"POST", "/v1/subscriptions/" + sub.SubscriptionID + "/pause", ""},
		creemsim.RouteDiscounts:           {"GET", "/v1/discounts/search", ""},
		creemsim.RouteStats:               {"GET", "/v1/stats/summary?currency=EUR", ""},
		creemsim.RouteModeration:          {"POST", "/v1/moderation/prompt", `{"prompt":"a fox"}`},
		creemsim.RouteEndpoints:           {"GET", "/v1/webhooks", ""},
		creemsim.RouteFeed:                {"GET", "/v1/webhooks/" + feed + "/events/pending", ""},
		creemsim.RouteCredits:             {"GET", "/v1/customer-credits/accounts/cca_none/balance", ""},
	}

	for _, f := range creemsim.Faults() {
		for _, route := range f.Routes {
			if route != creemsim.RouteWebhook {
				require.Contains(t, calls, route)
			}
		}
	}

	for route, call := range calls {
		b.sim.SetKnobs(func(k *creemsim.Knobs) { k.Chaos.Share, k.Chaos.Only = 1, []string{route + "/http_429"} })

		r := b.do(call[0], call[1], call[2])
		require.Equal(t, http.StatusTooManyRequests, r.status, route)
		require.Contains(t, r.raw, "Too Many Requests", route)
		require.Contains(t, r.body, "error", route)

		b.sim.SetKnobs(func(k *creemsim.Knobs) { k.Chaos.Only = []string{route + "/acted_502"} })
		require.Equal(t, http.StatusBadGateway, b.do(call[0], call[1], call[2]).status, route)
	}

	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.Chaos.Share = 0 })

	stats := b.sim.Stats()
	require.EqualValues(t, 2, stats.Checkouts, "one was made by the call that was refused by a gateway afterwards")
	require.EqualValues(t, 1, stats.Refunds)
	require.Equal(t, "paused", b.subscription(sub.SubscriptionID)["status"])
	require.EqualValues(t, 1, stats.Faults["refunds/acted_502"])
	require.EqualValues(t, 3, stats.Counts.Calls[creemsim.RouteCheckouts])
	require.True(t, slices.Contains(b.told(3), "refund.created"))
}
