package creem_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/redact"
)

// at is a time of a fixture.
func at(t *testing.T, text string) time.Time {
	t.Helper()

	v, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)

	return v.UTC()
}

func TestFindSubscription_OfEveryFixture(t *testing.T) {
	t.Parallel()

	person := redact.NewPersonal("customer@example.com")
	// Most samples are of one subscription.
	usual := payments.Subscription{
		ID: "sub_R6cx0UWlzyIn9NMGPqVdFk", ProductID: "prod_GyToz0tfOdk8Ln1xhHGc3M",
		Customer: payments.Customer{ID: "cust_i4eB3XcpeVd0myEFpqrF6r", Email: person}, LastTransactionID: "tran_Pth9RvCSiUswodUMNMagq8",
		PeriodStart: at(t, "2024-10-12T11:58:38Z"), PeriodEnd: at(t, "2024-11-12T11:58:38Z"),
	}
	like := func(status payments.SubscriptionStatus, updated, canceled string) payments.Subscription {
		s := usual
		s.Status, s.UpdatedAt = status, at(t, updated)

		if canceled != "" {
			s.CanceledAt = at(t, canceled)
		}

		return s
	}

	for name, want := range map[string]payments.Subscription{
		"subscription.paid":             like(payments.SubscriptionActive, "2024-10-12T11:58:45.425Z", ""),
		"subscription.scheduled_cancel": like(payments.SubscriptionScheduled, "2024-10-12T11:59:15.827Z", ""),
		"subscription.canceled":         like(payments.SubscriptionCanceled, "2024-10-12T11:58:57.827Z", "2024-10-12T11:58:57.813Z"),
		"subscription.past_due":         like(payments.SubscriptionPastDue, "2024-11-12T12:05:30.827Z", ""),
		// Its canceled_at is not null, and it is not canceled.
		"subscription.active": {
			ID: "sub_41QpgPeXbKDxDGHW8m3GHc", Status: payments.SubscriptionActive, ProductID: "prod_7Xz1tChun4o1D2NifhzhHM",
			Customer: payments.Customer{ID: "cust_guK7ljamlREAALm9A9wkUn", Email: person}, UpdatedAt: at(t, "2024-09-16T19:40:42.121Z"),
		},
		"subscription.trialing": {
			ID: "sub_AZCL7h1qwZVuvzCTKXqIIj", Status: payments.SubscriptionTrialing, ProductID: "prod_vjExOCifGWPzVALciqBzh3",
			Customer:    payments.Customer{ID: "cust_HC2pyDeIfB4TcI87ZGc4wl", Email: person},
			PeriodStart: at(t, "2025-02-19T11:18:25Z"), PeriodEnd: at(t, "2025-02-26T11:18:25Z"), UpdatedAt: at(t, "2025-02-19T11:18:30.674Z"),
		},
		// Its item is of the product before.
		"subscription.update": {
			ID: "sub_vsnklYzu3KYUxLGKfjohdC", Status: payments.SubscriptionActive, ProductID: "prod_g8WllEjteCLEnaTU4RvjaY",
			Customer:    payments.Customer{ID: "cust_zZOn5XpGdiKajQbyywTANL", Email: person},
			PeriodStart: at(t, "2025-01-26T11:20:36Z"), PeriodEnd: at(t, "2025-02-26T11:20:36Z"), UpdatedAt: at(t, "2025-01-26T11:22:16.388Z"),
		},
		"subscription.paused": {
			ID: "sub_dWKk7tDa8lnbFImJgSTImI", Status: payments.SubscriptionPaused, ProductID: "prod_j9yMt0VRACteINP62tHer9",
			Customer:    payments.Customer{ID: "cust_HC2pyDeIfB4TcI87ZGc4wl", Email: person},
			PeriodStart: at(t, "2025-08-01T09:51:47Z"), PeriodEnd: at(t, "2025-09-01T09:51:47Z"), UpdatedAt: at(t, "2025-08-01T09:52:26.822Z"),
		},
		"subscription.unpaid": {
			ID: "sub_POfE5XJPIpZCFDC2JZ3dJ8", Status: payments.SubscriptionUnpaid, ProductID: "prod_lXgPMn260e6B53LUh0aQU8",
			Customer: payments.Customer{ID: "cust_FoPfaWXU6wzEocJXRq8Bw0", Email: person}, LastTransactionID: "tran_rqm0qQxRN1x0nozA8TI6D1",
			PeriodStart: at(t, "2026-02-28T07:56:07.282Z"), PeriodEnd: at(t, "2026-03-30T07:56:07.282Z"),
		},
		// It says active: expired is not final.
		"subscription.expired": {
			ID: "sub_cdnnx7gOhQnWCmqDTO35PI", Status: payments.SubscriptionActive, ProductID: "prod_kaCtqpPMv40IHoicOPPud9",
			Customer: payments.Customer{ID: "cust_a02eoExkr2T1iJg81reyTD", Email: person}, LastTransactionID: "tran_wA0mqmUvJo6yD3Ls8Nqqh8",
			PeriodStart: at(t, "2024-12-16T12:39:47Z"), PeriodEnd: at(t, "2024-12-16T12:39:47Z"), UpdatedAt: at(t, "2024-12-16T12:40:05.058Z"),
		},
	} {
		for _, form := range formNames() {
			t.Run(name+form, func(t *testing.T) {
				t.Parallel()

				b := setup(t, answer(http.StatusOK, string(write(t, form, fixtures(t)[name].object))))
				got, err := b.client.FindSubscription(t.Context(), want.ID)
				require.NoError(t, err)

				if want := want; form == "ByID" {
					want.Customer.Email = redact.Personal{}
					require.Equal(t, want, got)
				} else {
					require.Equal(t, want, got)
				}
			})
		}
	}
}

func TestFindTransaction_OfEveryFixture(t *testing.T) {
	t.Parallel()

	for name, want := range map[string]payments.Transaction{
		"refund.created": {
			ID: "tran_Pth9RvCSiUswodUMNMagq8", OrderID: "ord_mJXfOxv3DZBMqFgFXMTtEm", SubscriptionID: "sub_R6cx0UWlzyIn9NMGPqVdFk",
			Status: payments.TransactionPaid, Money: payments.Money{Currency: "EUR", Net: 1000, Tax: 210, Paid: 1210}, Refunded: 1210,
			PeriodStart: at(t, "2024-10-12T11:58:38Z"), PeriodEnd: at(t, "2024-11-12T11:58:38Z"), CreatedAt: at(t, "2024-10-12T11:58:47.109Z"),
		},
		"dispute.created": {
			ID: "tran_EFrVgGSsGp9e6XGdChlxaZ", OrderID: "ord_JR5js3nrehpTa5LDUULXEf", SubscriptionID: "sub_MQv5ZE00VyrYekyZiSSkTS",
			CustomerID: "cust_ip1SS0fBdkywUcwmeyzoe9",
			Status:     payments.TransactionChargedBack, Money: payments.Money{Currency: "EUR", Net: 1100, Tax: 231, Paid: 1331}, Refunded: 1331,
			PeriodStart: at(t, "2025-06-26T12:33:21Z"), PeriodEnd: at(t, "2025-07-26T12:33:21Z"), CreatedAt: at(t, "2025-06-26T12:33:25.659Z"),
		},
	} {
		for _, form := range formNames() {
			t.Run(name+form, func(t *testing.T) {
				t.Parallel()

				one := string(write(t, form, fixtures(t)[name].object["transaction"]))
				got, err := setup(t, answer(http.StatusOK, one)).client.FindTransaction(t.Context(), want.ID)
				require.NoError(t, err)
				require.Equal(t, want, got)

				page, err := setup(t, answer(http.StatusOK, `{"items":[`+one+`]}`)).client.ListTransactions(t.Context(), payments.TransactionFilter{}, 1)
				require.NoError(t, err)
				require.Equal(t, []payments.Transaction{want}, page.Items)
			})
		}
	}
}

func TestFindCheckout_OfTheFixture(t *testing.T) {
	t.Parallel()

	want := payments.Checkout{
		ID: "ch_4kWZXy1JjN5TCeEwyzulul", Status: payments.CheckoutCompleted, CheckoutID: checkoutID, SubscriptionID: "sub_R6cx0UWlzyIn9NMGPqVdFk",
		Customer: payments.Customer{ID: "cust_i4eB3XcpeVd0myEFpqrF6r", Email: redact.NewPersonal("customer@example.com")},
		Order: &payments.Order{
			ID: "ord_mJXfOxv3DZBMqFgFXMTtEm", ProductID: "prod_GyToz0tfOdk8Ln1xhHGc3M", CustomerID: "cust_i4eB3XcpeVd0myEFpqrF6r",
			Recurring: true, Paid: true, Money: payments.Money{Currency: "EUR", Net: 1000, Paid: 1000}, CreatedAt: at(t, "2024-10-12T11:58:33.097Z"),
		},
	}

	for _, form := range formNames() {
		t.Run(form, func(t *testing.T) {
			t.Parallel()

			b := setup(t, answer(http.StatusOK, string(write(t, form, fixtures(t)["checkout.completed"].object))))
			got, err := b.client.FindCheckout(t.Context(), want.ID)
			require.NoError(t, err)

			if want := want; form == "ByID" {
				want.Customer.Email = redact.Personal{}
				require.Equal(t, want, got)
			} else {
				require.Equal(t, want, got)
			}
		})
	}
}

func TestFindCheckout_Forms(t *testing.T) {
	t.Parallel()

	const id = `"id":"ch_1"`

	order := func(o payments.Order) *payments.Order { return &o }

	for name, c := range map[string]struct {
		body string
		want payments.Checkout
	}{
		"Open":          {`"status":"pending","product":"prod_1"`, payments.Checkout{}},
		"Processing":    {`"status":"processing"`, payments.Checkout{}},
		"UnknownStatus": {`"status":"in_review"`, payments.Checkout{}},
		"Expired":       {`"status":"expired","order":null,"customer":null,"subscription":null,"metadata":null`, payments.Checkout{Status: payments.CheckoutExpired}},
		"OurIDInMetadata": {
			`"request_id":"` + uuid.NewString() + `","metadata":{"checkout_id":"` + checkoutID.String() + `","more":[1]}`, payments.Checkout{CheckoutID: checkoutID},
		},
		"OurIDInRequest":  {`"request_id":"` + checkoutID.String() + `","metadata":[]`, payments.Checkout{CheckoutID: checkoutID}},
		"NoneOfOurIDs":    {`"request_id":"11111111-2222-4333-8444-55555555555x","metadata":{"checkout_id":7}`, payments.Checkout{}},
		"MetadataAsText":  {`"metadata":"checkout_id"`, payments.Checkout{}},
		"OrderByID":       {`"order":"ord_1","product":{"id":"prod_1"}`, payments.Checkout{Order: &payments.Order{ID: "ord_1", ProductID: "prod_1"}}},
		"OrderNotPaidYet": {`"order":{"id":"ord_1","status":"pending","amount":1000,"currency":"eur"}`, payments.Checkout{Order: &payments.Order{ID: "ord_1", Money: payments.Money{Currency: "EUR", Net: 1000, Paid: 1000}}}},
		"Pack": {
			`"status":"completed","customer":"cust_1","order":{"id":"ord_1","customer":{"id":"cust_1"},"product":"prod_1","transaction":{"id":"tran_1"},"amount":1000,
				"sub_total":1000,"tax_amount":210,"amount_due":1210,"amount_paid":1210,"currency":"USD","status":"paid","type":"onetime","created_at":1728734325927}`,
			payments.Checkout{
				Status: payments.CheckoutCompleted, Customer: payments.Customer{ID: "cust_1"},
				Order: order(payments.Order{
					ID: "ord_1", ProductID: "prod_1", CustomerID: "cust_1", TransactionID: "tran_1", Paid: true,
					Money: payments.Money{Currency: "USD", Net: 1000, Tax: 210, Paid: 1210}, CreatedAt: at(t, "2024-10-12T11:58:45.927Z"),
				}),
			},
		},
		"CustomerOfTheOrder": {
			`"order":{"id":"ord_1","customer":"cust_1"}`,
			payments.Checkout{Customer: payments.Customer{ID: "cust_1"}, Order: &payments.Order{ID: "ord_1", CustomerID: "cust_1"}},
		},
		"RecurringByItsSubscription": {
			`"subscription":"sub_1","order":{"id":"ord_1"}`, payments.Checkout{SubscriptionID: "sub_1", Order: &payments.Order{ID: "ord_1", Recurring: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c.want.ID = "ch_1"
			if c.want.Status == "" {
				c.want.Status = payments.CheckoutOpen
			}

			got, err := setup(t, answer(http.StatusOK, `{`+id+`,`+c.body+`}`)).client.FindCheckout(t.Context(), "ch_1")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestFindTransaction_Forms(t *testing.T) {
	t.Parallel()

	type want struct {
		status   payments.TransactionStatus
		money    payments.Money
		refunded int64
	}

	for body, expected := range map[string]want{
		`"status":"pending","amount":1000,"amount_paid":0,"tax_amount":210`: {payments.TransactionPending, payments.Money{Net: 1000, Tax: 210}, 0},
		`"status":"in_limbo"`: {payments.TransactionPending, payments.Money{}, 0},
		`"status":"paid","amount":1000,"amount_paid":null,"tax_amount":null`:                      {payments.TransactionPaid, payments.Money{Net: 1000, Paid: 1000}, 0},
		`"status":"paid","amount":1000,"tax_amount":174,"amount_paid":1000`:                       {payments.TransactionPaid, payments.Money{Net: 826, Tax: 174, Paid: 1000}, 0}, // inclusive
		`"status":"paid","amount":1000,"discount_amount":100,"tax_amount":189,"amount_paid":1089`: {payments.TransactionPaid, payments.Money{Net: 900, Tax: 189, Paid: 1089}, 0},
		`"status":"paid","amount":1000,"discount_amount":1000,"amount_paid":0`:                    {payments.TransactionPaid, payments.Money{}, 0},
		`"status":"partialRefund","amount":1000,"refunded_amount":400`:                            {payments.TransactionPaid, payments.Money{Net: 1000, Paid: 1000}, 400},
		`"status":"refunded","amount":1000`:                                                       {payments.TransactionPaid, payments.Money{Net: 1000, Paid: 1000}, 1000},
		`"status":"refunded","amount":1000,"tax_amount":210,"refunded_amount":1000`:               {payments.TransactionPaid, payments.Money{Net: 1000, Tax: 210, Paid: 1210}, 1210},
		`"status":"refunded","amount":1000,"refunded_amount":1001`:                                {payments.TransactionPaid, payments.Money{Net: 1000, Paid: 1000}, 1000},
		`"status":"paid","amount":1000,"refunded_amount":-1`:                                      {payments.TransactionPaid, payments.Money{Net: 1000, Paid: 1000}, 0},
		`"status":"chargedBack"`:   {status: payments.TransactionChargedBack},
		`"status":"charged_back"`:  {status: payments.TransactionChargedBack},
		`"status":"chargeback"`:    {status: payments.TransactionChargedBack},
		`"status":"uncollectible"`: {status: payments.TransactionFailed},
		`"status":"declined"`:      {status: payments.TransactionFailed},
		`"status":"canceled"`:      {status: payments.TransactionFailed},
		`"status":"void","order":null,"subscription":null,"customer":null,"period_start":null,"x":[{}]`: {status: payments.TransactionFailed},
	} {
		got, err := setup(t, answer(http.StatusOK, `{"id":"tran_1",`+body+`}`)).client.FindTransaction(t.Context(), "tran_1")
		require.NoError(t, err, body)
		require.Equal(t, expected, want{got.Status, got.Money, got.Refunded}, body)
	}
}

func TestFindSubscription_Statuses(t *testing.T) {
	t.Parallel()

	for _, word := range []string{
		"active", "trialing", "paused", "past_due", "unpaid", "scheduled_cancel", "expired", "canceled", "incomplete", "",
	} {
		want := payments.SubscriptionStatus(word)
		if word == "incomplete" || word == "" {
			want = payments.SubscriptionUnknown
		}

		b := setup(t, answer(http.StatusOK, `{"id":"sub_1","status":"`+word+`","last_transaction":{"id":"tran_1","customer":null}}`))
		got, err := b.client.FindSubscription(t.Context(), "sub_1")
		require.NoError(t, err)
		require.Equal(t, []string{string(want), "tran_1"}, []string{string(got.Status), got.LastTransactionID})
	}
}

func TestFindTransaction_Times(t *testing.T) {
	t.Parallel()

	for written, want := range map[string]string{
		`1728734318000`: "2024-10-12T11:58:38Z", `"1728734318000"`: "2024-10-12T11:58:38Z", `1.728734318e12`: "2024-10-12T11:58:38Z",
		`"2024-10-12T11:58:38.000Z"`: "2024-10-12T11:58:38Z", `"2024-10-12T13:58:38+02:00"`: "2024-10-12T11:58:38Z",
		`"2024-10-12T11:58:38.123"`: "2024-10-12T11:58:38.123Z", `"2024-10-12 11:58:38"`: "2024-10-12T11:58:38Z", `"2024-10-12"`: "2024-10-12T00:00:00Z",
		`null`: "", `""`: "", `0`: "",
	} {
		got, err := setup(t, answer(http.StatusOK, `{"id":"tran_1","period_start":`+written+`}`)).client.FindTransaction(t.Context(), "tran_1")
		require.NoError(t, err, written)

		if want == "" {
			require.True(t, got.PeriodStart.IsZero(), written)
		} else {
			require.Equal(t, at(t, want), got.PeriodStart, written)
		}
	}
}

// What is no time, no amount, no word and no id is not guessed.
func TestFind_RefusesNonsense(t *testing.T) {
	t.Parallel()

	for _, body := range []string{
		`"created_at":"` + email + `"`, `"created_at":true`, `"created_at":{}`, `"period_end":-1`, `"period_end":1e300`, `"created_at":"NaN"`,
		`"created_at":"9999-12-31T23:59:59-12:00"`, `"created_at":"0000-12-31T00:00:00Z"`,
		`"amount":"` + email + `"`, `"amount":10.5`, `"amount":1e300`, `"status":7`, `"order":7`, `"order":["ord_1"]`, `"order":{"id":7}`, `"customer":true`,
	} {
		b := setup(t, answer(http.StatusOK, `{"id":"tran_1",`+body+`}`))
		_, err := b.client.FindTransaction(t.Context(), "tran_1")
		requireFailed(t, err, payments.Transient)
		require.True(t, strings.HasSuffix(err.Error(), "answer makes no sense"), err.Error())
	}
}

func TestFindProduct_Forms(t *testing.T) {
	t.Parallel()

	fixture := fixtures(t)["subscription.paid"].object["product"]

	for _, form := range formNames() {
		b := setup(t, answer(http.StatusOK, string(write(t, form, fixture))))
		got, err := b.client.FindProduct(t.Context(), "prod_GyToz0tfOdk8Ln1xhHGc3M")
		require.NoError(t, err)
		require.Equal(t, payments.VendorProduct{
			ID: "prod_GyToz0tfOdk8Ln1xhHGc3M", Name: "Sample", Status: "active", Price: 1000, Currency: "EUR", Recurring: true, Period: "every-month",
		}, got)
	}

	b := setup(t, answer(http.StatusOK, `{"id":"prod_1","price":0,"billing_type":"onetime","billing_period":"once"}`))
	got, err := b.client.FindProduct(t.Context(), "prod_1")
	require.NoError(t, err)
	require.Equal(t, payments.VendorProduct{ID: "prod_1", Period: "once"}, got)
}
