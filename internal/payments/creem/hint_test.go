package creem_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/inbox"
	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
)

// hints is what each fixture that is about money says.
func hints() map[string]payments.Hint {
	usual := payments.Hint{SubscriptionID: "sub_R6cx0UWlzyIn9NMGPqVdFk", TransactionID: "tran_Pth9RvCSiUswodUMNMagq8"}

	return map[string]payments.Hint{
		"checkout.completed": {
			CheckoutID: checkoutID, VendorCheckout: "ch_4kWZXy1JjN5TCeEwyzulul", SubscriptionID: "sub_R6cx0UWlzyIn9NMGPqVdFk",
			OrderID: "ord_mJXfOxv3DZBMqFgFXMTtEm",
		},
		"refund.created": {
			CheckoutID: checkoutID, VendorCheckout: "ch_4kWZXy1JjN5TCeEwyzulul", SubscriptionID: "sub_R6cx0UWlzyIn9NMGPqVdFk",
			OrderID: "ord_mJXfOxv3DZBMqFgFXMTtEm", TransactionID: "tran_Pth9RvCSiUswodUMNMagq8",
		},
		"dispute.created": {
			VendorCheckout: "ch_ETyKIEYcorYxuZdy1rVKM5", SubscriptionID: "sub_MQv5ZE00VyrYekyZiSSkTS",
			OrderID: "ord_JR5js3nrehpTa5LDUULXEf", TransactionID: "tran_EFrVgGSsGp9e6XGdChlxaZ",
		},
		"subscription.paid": usual, "subscription.scheduled_cancel": usual, "subscription.canceled": usual, "subscription.past_due": usual,
		"subscription.active":   {SubscriptionID: "sub_41QpgPeXbKDxDGHW8m3GHc"},
		"subscription.trialing": {SubscriptionID: "sub_AZCL7h1qwZVuvzCTKXqIIj"},
		"subscription.update":   {SubscriptionID: "sub_vsnklYzu3KYUxLGKfjohdC"},
		"subscription.paused":   {SubscriptionID: "sub_dWKk7tDa8lnbFImJgSTImI"},
		"subscription.unpaid":   {SubscriptionID: "sub_POfE5XJPIpZCFDC2JZ3dJ8", TransactionID: "tran_rqm0qQxRN1x0nozA8TI6D1"},
		"subscription.expired":  {SubscriptionID: "sub_cdnnx7gOhQnWCmqDTO35PI", TransactionID: "tran_wA0mqmUvJo6yD3Ls8Nqqh8"},
	}
}

func TestEventTypes(t *testing.T) {
	t.Parallel()

	require.ElementsMatch(t, slices.Collect(maps.Keys(fixtures(t))), creem.EventTypes())
}

func TestParseHint_OfEveryFixture(t *testing.T) {
	t.Parallel()

	require.Len(t, hints(), 13)

	for name, f := range fixtures(t) {
		for _, form := range formNames() {
			t.Run(name+form, func(t *testing.T) {
				t.Parallel()

				var envelope any
				require.NoError(t, json.Unmarshal(f.body, &envelope))

				got, err := creem.ParseHint(name, write(t, form, envelope))

				want, ok := hints()[name]
				if !ok {
					require.ErrorIs(t, err, inbox.ErrUnknownType)
					require.Zero(t, got)

					return
				}

				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
	}
}

func TestParseHint_Forms(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		kind, object string
		want         payments.Hint
	}{
		"PackByID": {
			"checkout.completed", `{"id":"ch_1","request_id":null,"order":"ord_1","subscription":null,"metadata":{"checkout_id":"` + checkoutID.String() + `"}}`,
			payments.Hint{CheckoutID: checkoutID, VendorCheckout: "ch_1", OrderID: "ord_1"},
		},
		"OrderWithItsTransaction": {
			"checkout.completed", `{"id":"ch_1","order":{"id":"ord_1","transaction":{"id":"tran_1"}}}`,
			payments.Hint{VendorCheckout: "ch_1", OrderID: "ord_1", TransactionID: "tran_1"},
		},
		"OddAmountsAndTimesDoNotMatter": {
			"subscription.paid", `{"id":"sub_1","created_at":{},"current_period_end_date":"soon","amount":"much","customer":7}`,
			payments.Hint{SubscriptionID: "sub_1"},
		},
		"OurIDFromMetadata": {
			"subscription.active", `{"id":"sub_1","metadata":{"checkout_id":"` + checkoutID.String() + `"}}`,
			payments.Hint{CheckoutID: checkoutID, SubscriptionID: "sub_1"},
		},
		"RefundOfATransactionAlone": {"refund.created", `{"id":"ref_1","status":"succeeded","transaction":"tran_1"}`, payments.Hint{TransactionID: "tran_1"}},
		"RefundByItsTransaction": {
			"refund.created", `{"id":"ref_1","transaction":{"id":"tran_1","order":"ord_1","subscription":{"id":"sub_1"}}}`,
			payments.Hint{TransactionID: "tran_1", OrderID: "ord_1", SubscriptionID: "sub_1"},
		},
		"RefundPending": {"refund.created", `{"status":"pending","order":"ord_1"}`, payments.Hint{OrderID: "ord_1", RefundPending: true}},
		"RefundRequiresAction": {
			"refund.created", `{"status":"requiresAction","order":"ord_1"}`, payments.Hint{OrderID: "ord_1", RefundPending: true},
		},
		"RefundFailed":        {"refund.created", `{"status":"failed","order":"ord_1"}`, payments.Hint{OrderID: "ord_1"}},
		"DisputeIsNoRefund":   {"dispute.created", `{"status":"pending","order":"ord_1"}`, payments.Hint{OrderID: "ord_1"}},
		"CheckoutByItsOrders": {"refund.created", `{"checkout":{"id":"ch_1","order":"ord_1"}}`, payments.Hint{VendorCheckout: "ch_1", OrderID: "ord_1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := creem.ParseHint(c.kind, []byte(`{"id":"evt_1","eventType":"other","object":`+c.object+`}`))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseHint_OfUnknownTypes(t *testing.T) {
	t.Parallel()

	for _, kind := range []string{
		"credits.granted", "credits.consumed", "credits.auto_recharged", "customer_credits.exhausted", "subscription.frozen", "refund.updated", "",
	} {
		_, err := creem.ParseHint(kind, []byte(`{"object":{"id":"sub_1"}}`))
		require.ErrorIs(t, err, inbox.ErrUnknownType, kind)
	}
}

func TestParseHint_RefusesWhatNamesNothing(t *testing.T) {
	t.Parallel()

	for _, kind := range slices.Sorted(maps.Keys(hints())) {
		for _, body := range []string{
			"", "<html>" + email, "null", "{}", "[]", `{"object":null}`, `{"object":"` + email + `"}`, `{"object":{}}`, `{"object":{"id":null}}`, `{"object":{"id":7}}`,
			`{"object":{"status":"pending","customer":{"email":"` + email + `"}}}`, `{"object":{"id":"","metadata":{"checkout_id":"` + email + `"}}}`,
		} {
			hint, err := creem.ParseHint(kind, []byte(body))
			require.Error(t, err, body)
			require.NotErrorIs(t, err, inbox.ErrUnknownType)
			require.NotContains(t, err.Error(), email)
			require.Zero(t, hint)
		}
	}

	// A refund's own id leads nowhere.
	for _, kind := range []string{"refund.created", "dispute.created"} {
		_, err := creem.ParseHint(kind, []byte(`{"object":{"id":"ref_1"}}`))
		require.Error(t, err)
	}
}
