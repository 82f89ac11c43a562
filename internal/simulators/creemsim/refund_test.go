package creemsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestRefund_GivesBackAllOrSome(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(pack)
	read := func() map[string]any { return b.get("GET", "/v1/transactions?transaction_id="+paid.TransactionID, "") }

	require.NoError(t, b.sim.Refund(paid.OrderID, 500))
	require.Equal(t, []any{"partialRefund", 500.0}, []any{read()["status"], read()["refunded_amount"]})
	require.Error(t, b.sim.Refund(paid.TransactionID, 711))

	require.Equal(t, "succeeded", b.get("POST", "/v1/refunds", `{"transaction_id":"`+paid.TransactionID+`"}`)["status"])
	require.Equal(t, []any{"refunded", 1210.0}, []any{read()["status"], read()["refunded_amount"]})
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/v1/refunds", `{"transaction_id":"`+paid.TransactionID+`"}`).status)
	require.Equal(t, http.StatusNotFound, b.do("POST", "/v1/refunds", `{}`).status)
	require.ErrorContains(t, b.sim.Refund("ord_none", 0), "not found")

	sums := map[any]int{}

	for _, p := range b.await(3) {
		if p.event.Type == "refund.created" {
			sums[p.event.Object["refund_amount"]]++

			require.Equal(t, paid.TransactionID, text(p.event.Object, "transaction", "id"))
			require.Equal(t, pack, text(p.event.Object, "checkout", "product"))
			require.Equal(t, "usr_1", text(p.event.Object, "checkout", "metadata", "user_id"))
		}
	}

	require.Equal(t, map[any]int{500.0: 1, 710.0: 1}, sums)
}

func TestRefund_MayBePendingFirst(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{Knobs: creemsim.Knobs{PendingRefunds: true}})
	paid := b.buy(monthly)
	status := func() any { return b.get("GET", "/v1/transactions?transaction_id="+paid.TransactionID, "")["status"] }

	require.Equal(t, "pending", b.get("POST", "/v1/refunds", `{"transaction_id":"`+paid.TransactionID+`"}`)["status"])
	require.Equal(t, "paid", status())
	require.Error(t, b.sim.Refund(paid.TransactionID, 1), "all of it is on its way")

	b.move(time.Hour)
	require.Equal(t, "refunded", status())
	require.Equal(t, []string{"refund.created"}, b.told(3), "no event tells of the end")
}

func TestDispute_TakesAllBack(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(monthly)
	b.move(28 * day)

	renewal := text(b.subscription(paid.SubscriptionID), "last_transaction_id")
	require.NoError(t, b.sim.Dispute(renewal))
	require.Error(t, b.sim.Dispute(renewal))

	got := b.get("GET", "/v1/transactions?transaction_id="+renewal, "")
	require.Equal(t, []any{"chargedBack", 1210.0}, []any{got["status"], got["refunded_amount"]})
	require.Equal(t, "paid", b.get("GET", "/v1/transactions?transaction_id="+paid.TransactionID, "")["status"])

	last := b.sim.Events()[4]
	require.Equal(t, "dispute.created", last.Type)
	require.Contains(t, string(last.Body), `"amount":1210`)
}
