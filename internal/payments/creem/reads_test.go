package creem_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
)

// reads are the calls that change nothing, with an answer to each.
func reads() map[string]struct {
	call   func(context.Context, *creem.Client) error
	target string
	reply  string
} {
	type read = struct {
		call   func(context.Context, *creem.Client) error
		target string
		reply  string
	}

	return map[string]read{
		"FindCheckout": {
			func(ctx context.Context, c *creem.Client) error { _, err := c.FindCheckout(ctx, "ch_1"); return err },
			"/v1/checkouts?checkout_id=ch_1", `{"id":"ch_1"}`,
		},
		"FindSubscription": {
			func(ctx context.Context, c *creem.Client) error {
				_, err := c.FindSubscription(ctx, "sub_1")
				return err
			},
			"/v1/subscriptions?subscription_id=sub_1", `{"id":"sub_1"}`,
		},
		"FindTransaction": {
			func(ctx context.Context, c *creem.Client) error {
				_, err := c.FindTransaction(ctx, "tran_1")
				return err
			},
			"/v1/transactions?transaction_id=tran_1", `{"id":"tran_1"}`,
		},
		"FindCustomer": {
			func(ctx context.Context, c *creem.Client) error { _, err := c.FindCustomer(ctx, "cust_1"); return err },
			"/v1/customers?customer_id=cust_1", `{"id":"cust_1"}`,
		},
		"FindProduct": {
			func(ctx context.Context, c *creem.Client) error { _, err := c.FindProduct(ctx, "prod_1"); return err },
			"/v1/products/prod_1", `{"id":"prod_1"}`,
		},
		"ListTransactions": {
			func(ctx context.Context, c *creem.Client) error {
				_, err := c.ListTransactions(ctx, payments.TransactionFilter{CustomerID: "cust_1", OrderID: "ord_1", ProductID: "prod_1"}, 2)
				return err
			},
			"/v1/transactions/search?customer_id=cust_1&order_id=ord_1&page_number=2&page_size=50&product_id=prod_1", `{"items":[]}`,
		},
		"ListSubscriptions": {
			func(ctx context.Context, c *creem.Client) error { _, err := c.ListSubscriptions(ctx, 1); return err },
			"/v1/subscriptions/search?page_number=1&page_size=50", `{"items":[]}`,
		},
		"ListEvents": {
			func(ctx context.Context, c *creem.Client) error { _, err := c.ListEvents(ctx, "wh_1"); return err },
			"/v1/webhooks/wh_1/events/pending?limit=100", `{"items":[]}`,
		},
	}
}

func TestReads_MayBeRepeated(t *testing.T) {
	t.Parallel()

	for name, read := range reads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, answer(http.StatusOK, read.reply))
			require.NoError(t, read.call(t.Context(), b.client))
			require.Equal(t, []string{http.MethodGet, read.target, testKey},
				[]string{b.calls[0].method, b.calls[0].target, b.calls[0].header.Get("X-Api-Key")})

			for status, class := range map[int]payments.Class{
				307: payments.Transient, 400: payments.Rejected, 401: payments.Account, 403: payments.Account, 404: payments.NotFound,
				408: payments.Transient, 429: payments.Transient, 500: payments.Transient, 503: payments.Transient,
			} {
				requireFailed(t, read.call(t.Context(), setup(t, answer(status, email)).client), class)
			}

			for _, body := range []string{
				"", "<html>", "null", "{}", `{"id":""}`, `{"id":"other_1"}`, "[]", `{"items":null}`, `{"items":{}}`, `{"items":[{"status":"x"}]}`, `{"items":[null]}`,
			} {
				requireFailed(t, read.call(t.Context(), setup(t, answer(http.StatusOK, body)).client), payments.Transient)
			}

			for _, text := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + read.reply} {
				requireFailed(t, read.call(t.Context(), setup(t, cut(text)).client), payments.Transient)
			}
		})
	}
}

// What is no id of Creem's would change the path that it is put into.
func TestCalls_TakeOnlyIDs(t *testing.T) {
	t.Parallel()

	b := setup(t, answer(http.StatusOK, subBody))

	for _, id := range []string{"", "..", "sub_1/../x", "sub_1?x=1", "sub 1", "sub_1\x00", "süb", strings.Repeat("x", 101)} {
		for _, call := range []func() error{
			func() error { _, err := b.client.FindCheckout(t.Context(), id); return err },
			func() error { _, err := b.client.FindSubscription(t.Context(), id); return err },
			func() error { _, err := b.client.FindTransaction(t.Context(), id); return err },
			func() error { _, err := b.client.FindProduct(t.Context(), id); return err },
			func() error { _, err := b.client.FindCustomer(t.Context(), id); return err },
			func() error { _, err := b.client.CancelSubscription(t.Context(), id); return err },
			func() error { _, err := b.client.PortalURL(t.Context(), id); return err },
			func() error { return b.client.Refund(t.Context(), id) },
			func() error { _, err := b.client.ListEvents(t.Context(), id); return err },
			func() error { return b.client.AckEvent(t.Context(), "wh_1", id) },
		} {
			requireFailed(t, call(), payments.NotFound)
		}
	}

	require.Empty(t, b.arrived())
}

func TestClient_SendsPeopleToSafePagesOnly(t *testing.T) {
	t.Parallel()

	for page, plain := range map[string]bool{ // with AllowPlainHTTP
		"https://checkout.creem.io/ch_1": true, "https://creem.io/test/checkout/prod_1/ch_1?x=y": true,
		"http://127.0.0.1:8080/pay/ch_1": true, "http://localhost:8080/pay": true, "http://[::1]:1/x": true,
		"http://checkout.creem.io/ch_1": false, "http://10.0.0.1/x": false, "http://localhost.evil.example/x": false,
		"https://user@creem.io/x": false, "https:///x": false, "https:creem.io": false, "//creem.io/x": false, "/pay": false, "": false,
		"javascript:alert(1)": false, "data:text/html,x": false, "https://creem.io\x00": false,
	} {
		for _, allow := range []bool{false, true} {
			ok := plain && (allow || strings.HasPrefix(page, "https:"))
			quoted := strings.ReplaceAll(page, "\x00", `\u0000`)
			b := setup(t, answer(http.StatusOK, `{"id":"ch_1","checkout_url":"`+quoted+`","customer_portal_link":"`+quoted+`"}`),
				func(o *creem.Options) { o.AllowPlainHTTP = allow })

			made, err := b.client.CreateCheckout(t.Context(), newCheckout())
			portal, portalErr := b.client.PortalURL(t.Context(), "cust_1")
			found, findErr := b.client.FindCheckout(t.Context(), "ch_1")
			require.NoError(t, findErr, "what was paid there is true all the same")

			if ok {
				require.NoError(t, err, page)
				require.NoError(t, portalErr, page)
				require.Equal(t, []string{page, page, page}, []string{made.URL, portal, found.URL})
			} else {
				requireFailed(t, err, payments.Unknown)
				requireFailed(t, portalErr, payments.Transient)
				require.Empty(t, found.URL)
			}
		}
	}
}

func TestLists_EndWhereCreemSaysSo(t *testing.T) {
	t.Parallel()

	for body, next := range map[string]int{
		`{"items":[{"id":"sub_1"}],"pagination":{"total_records":37,"total_pages":4,"current_page":2,"next_page":3,"prev_page":1}}`: 3,
		`{"items":[],"pagination":{"total_pages":4,"current_page":2,"next_page":3}}`:                                                3, // it moved
		`{"items":[{"id":"sub_1"}],"pagination":{"total_pages":2,"current_page":2,"next_page":null}}`:                               0,
		`{"items":[{"id":"sub_1"}],"pagination":{"total_pages":4,"current_page":2,"next_page":null}}`:                               3,
		`{"items":[{"id":"sub_1"}],"pagination":{"next_page":9}}`:                                                                   3, // none is left out
		`{"items":[{"id":"sub_1"}],"pagination":{"next_page":2}}`:                                                                   0, // nor read for ever
		`{"items":[{"id":"sub_1"}]}`: 3,
		`{"items":[]}`:               0,
	} {
		b := setup(t, answer(http.StatusOK, body), func(o *creem.Options) { o.PageSize = 7 })

		page, err := b.client.ListSubscriptions(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, next, page.Next, body)
		require.Contains(t, b.arrived()[0].target, "page_number=2&page_size=7")
	}
}

func TestListEvents_GivesBodiesAsTheyCame(t *testing.T) {
	t.Parallel()

	b := setup(t, answer(http.StatusOK, `{"items":[
		{"id":"evt_1","object":"x","event_type":"subscription.paid","created_at":"2026-11-01T00:00:00Z","body":"{\"id\": \"evt_1\"}","headers":{"a":"b"}},
		{"id":"evt_2","event_type":"refund.created","body":{"id": "evt_2"}}]}`))

	events, err := b.client.ListEvents(t.Context(), "wh_1")
	require.NoError(t, err)
	require.Equal(t, []payments.FeedEvent{
		{ID: "evt_1", Type: "subscription.paid", Body: []byte(`{"id": "evt_1"}`)},
		{ID: "evt_2", Type: "refund.created", Body: []byte(`{"id": "evt_2"}`)},
	}, events)
}
