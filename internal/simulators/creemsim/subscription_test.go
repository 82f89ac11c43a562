package creemsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

// Moved ahead by months, a subscription renews at each of its hours, and its day is the month's last where the
// month has no 31st.
func TestSubscription_RenewsAtItsHours(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(monthly)
	b.await(3)
	b.move(95 * day)

	require.Equal(t, []string{"subscription.paid", "subscription.paid", "subscription.paid"}, b.told(3))

	ends := []string{"2027-02-28T12:00:00.000Z", "2027-03-31T12:00:00.000Z", "2027-04-30T12:00:00.000Z"}
	for i, e := range b.sim.Events()[3:] {
		require.Equal(t, ends[i], e.At.Format("2006-01-02T15:04:05.000Z"))
		require.Contains(t, string(e.Body), `"current_period_start_date":"`+ends[i]+`"`)
	}

	sub := b.subscription(paid.SubscriptionID)
	require.Equal(t, "2027-05-31T12:00:00.000Z", sub["next_transaction_date"])

	found := items(b.get("GET", "/v1/transactions/search?page_number=1&page_size=10&order_id="+paid.OrderID, ""))
	require.Len(t, found, 4)
	require.Equal(t, sub["last_transaction_id"], found[0]["id"], "the newest first")
	require.Equal(t, paid.TransactionID, found[3]["id"])
	require.Equal(t, []any{"invoice", 1210.0, paid.SubscriptionID}, []any{found[0]["type"], found[0]["amount_paid"], found[0]["subscription"]})
	require.InDelta(t, time.Date(2027, 4, 30, 12, 0, 0, 0, time.UTC).UnixMilli(), found[0]["period_start"], 0)
	require.EqualValues(t, 3, b.sim.Stats().Renewals)
	b.await(6)
}

func TestSubscription_IsTried(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(trial)
	require.Empty(t, paid.TransactionID)
	require.Equal(t, "trialing", b.subscription(paid.SubscriptionID)["status"])

	b.move(7 * day)
	require.Equal(t, "active", b.subscription(paid.SubscriptionID)["status"])
	require.Equal(t, []string{"checkout.completed", "subscription.trialing", "subscription.paid"}, b.told(0))
	require.Equal(t, "2027-03-07T12:00:00.000Z", b.subscription(paid.SubscriptionID)["current_period_end_date"])
}

func TestSubscription_FailsToRenew(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(monthly)
	status := func() any { return b.subscription(paid.SubscriptionID)["status"] }

	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.FailRenewals = true })
	b.move(28 * day)
	require.Equal(t, "past_due", status())
	require.Equal(t, paid.TransactionID, b.subscription(paid.SubscriptionID)["last_transaction_id"], "nothing was paid")

	// The next try succeeds; the period is the one that was due.
	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.FailRenewals = false })
	b.move(3 * day)
	require.Equal(t, "active", status())
	require.Equal(t, "2027-02-28T12:00:00.000Z", b.subscription(paid.SubscriptionID)["current_period_start_date"])

	b.sim.SetKnobs(func(k *creemsim.Knobs) { k.FailRenewals = true })
	b.move(45 * day)
	require.Equal(t, "unpaid", status())
	b.move(30 * day)
	require.Equal(t, []string{"subscription.past_due", "subscription.paid", "subscription.past_due", "subscription.unpaid", "subscription.expired"}, b.told(3))

	declined := 0

	for _, one := range items(b.get("GET", "/v1/transactions/search?page_size=50", "")) {
		if one["status"] == "declined" {
			declined++

			require.NotContains(t, one, "amount_paid")
		}
	}

	require.Equal(t, 5, declined)
}

func TestSubscription_IsCanceledPausedAndResumed(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	act := func(id, what, body string) map[string]any { return b.get("POST", "/v1/subscriptions/"+id+what, body) }

	// At the end of the period.
	ends := b.buy(monthly).SubscriptionID
	require.Equal(t, "scheduled_cancel", act(ends, "/cancel", `{"mode":"scheduled","onExecute":"cancel"}`)["status"])
	b.move(28 * day)
	require.Equal(t, "canceled", b.subscription(ends)["status"])
	require.Equal(t, "2027-02-28T12:00:00.000Z", b.subscription(ends)["canceled_at"])
	require.Equal(t, []string{"subscription.scheduled_cancel", "subscription.canceled"}, b.told(3))
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/subscriptions/"+ends+"/resume", "").status)

	// Taken back, then paused at the end instead, and resumed after it: a new period begins.
	begun := len(b.sim.Events()) + 3
	pauses := b.buy(monthly).SubscriptionID
	act(pauses, "/cancel", `{"mode":"scheduled"}`)
	require.Equal(t, "active", act(pauses, "/resume", "")["status"])
	act(pauses, "/cancel", `{"mode":"scheduled","onExecute":"pause"}`)
	b.move(60 * day)
	require.Equal(t, "paused", b.subscription(pauses)["status"])
	require.NotContains(t, b.subscription(pauses), "next_transaction_date")
	require.Equal(t, "2027-05-29T12:00:00.000Z", act(pauses, "/resume", "")["next_transaction_date"])
	require.Equal(t, []string{
		"subscription.scheduled_cancel", "subscription.update", "subscription.scheduled_cancel", "subscription.paused", "subscription.update", "subscription.paid",
	}, b.told(begun))

	// Paused within the period and resumed within it: nothing is paid.
	begun = len(b.sim.Events())
	act(pauses, "/pause", "")
	act(pauses, "/resume", "")
	act(pauses, "/cancel", "")
	require.Equal(t, []string{"subscription.paused", "subscription.update", "subscription.canceled"}, b.told(begun))

	b.move(400 * day)
	require.Len(t, b.sim.Events(), begun+3, "it has ended")
}

func TestSubscription_ChangesItsPlan(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(monthly)
	path := "/v1/subscriptions/" + paid.SubscriptionID
	last := func() map[string]any {
		return b.get("GET", "/v1/transactions?transaction_id="+text(b.subscription(paid.SubscriptionID), "last_transaction_id"), "")
	}

	// Half of the period is left: half of the difference, and its tax.
	b.move(14 * day)

	up := b.get("POST", path+"/upgrade", `{"product_id":"prod_dearer","update_behavior":"proration-charge-immediately"}`)
	require.Equal(t, dearer, text(up, "product", "id"))
	require.Equal(t, []any{1000.0, 1210.0}, []any{last()["amount"], last()["amount_paid"]})
	require.Equal(t, "2027-02-28T12:00:00.000Z", up["current_period_end_date"])

	// Down again: the same comes back.
	b.get("POST", path+"/upgrade", `{"product_id":"prod_monthly"}`)
	require.Equal(t, []any{"refunded", 1210.0}, []any{last()["status"], last()["refunded_amount"]})
	require.Equal(t, []string{"subscription.update", "subscription.update", "refund.created"}, b.told(3))

	// Three units, for no money until the period ends.
	units := b.get("POST", path, `{"items":[{"id":"`+text(items(up)[0], "id")+`","units":3}],"update_behavior":"proration-none"}`)
	require.InDelta(t, 3, items(units)[0]["units"], 0)
	b.move(14 * day)
	require.InDelta(t, 3630, last()["amount_paid"], 0)

	// A year begins at once, and the month's rest counts.
	b.move(31 * day / 2)
	year := b.get("POST", path+"/upgrade", `{"product_id":"prod_yearly"}`)
	require.InDelta(t, 30_000-1500, last()["amount"], 1)
	require.Equal(t, "2028-03-16T00:00:00.000Z", year["current_period_end_date"])

	for _, refused := range []string{`{"product_id":"prod_pack"}`, `{"product_id":"prod_yearly","update_behavior":"later"}`} {
		require.Equal(t, http.StatusBadRequest, b.do("POST", path+"/upgrade", refused).status)
	}

	require.Equal(t, http.StatusNotFound, b.do("POST", path+"/upgrade", `{}`).status)
}
