package creem_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
	"imagerun/internal/redact"
)

const (
	pageURL = "https://checkout.creem.io/ch_1"
	subBody = `{"id":"sub_1","status":"scheduled_cancel","product":"prod_2"}`
)

// change is a call that changes something.
type change struct {
	name  string
	call  func(context.Context, *creem.Client) error
	reply string // of a success
	// What is sent.
	target, body string
	// open is the class of an outcome that is not known.
	open payments.Class
	// anyReply says that a success may say anything.
	anyReply bool
}

func newCheckout() payments.NewCheckout {
	return payments.NewCheckout{CheckoutID: checkoutID, ProductID: "prod_1", Email: redact.NewPersonal(email), ReturnURL: returned}
}

func changes() []change {
	return []change{
		{
			name: "CreateCheckout", reply: `{"id":"ch_1","status":"pending","checkout_url":"` + pageURL + `","product":"prod_1"}`,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.CreateCheckout(ctx, newCheckout())
				return err
			},
			target: "/v1/checkouts",
			body: `{"request_id":"` + checkoutID.String() + `","product_id":"prod_1","customer":{"email":"` + email + `"},"success_url":"` + returned + `",
				"metadata":{"checkout_id":"` + checkoutID.String() + `"}}`,
			open: payments.Unknown,
		},
		{
			name: "CancelSubscription", reply: subBody,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.CancelSubscription(ctx, "sub_1")
				return err
			},
			target: "/v1/subscriptions/sub_1/cancel", body: `{"mode":"scheduled","onExecute":"cancel"}`, open: payments.Unknown,
		},
		{
			name: "ResumeSubscription", reply: subBody,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.ResumeSubscription(ctx, "sub_1")
				return err
			},
			target: "/v1/subscriptions/sub_1/resume", open: payments.Unknown,
		},
		{
			name: "ChangeSubscriptionNow", reply: subBody,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.ChangeSubscription(ctx, "sub_1", "prod_2", true)
				return err
			},
			target: "/v1/subscriptions/sub_1/upgrade", open: payments.Unknown,
			body: `{"product_id":"prod_2","update_behavior":"proration-charge-immediately"}`,
		},
		{
			name: "ChangeSubscriptionLater", reply: subBody,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.ChangeSubscription(ctx, "sub_1", "prod_2", false)
				return err
			},
			target: "/v1/subscriptions/sub_1/upgrade", body: `{"product_id":"prod_2","update_behavior":"proration-none"}`, open: payments.Unknown,
		},
		{
			name: "Refund", reply: `{"status":"requiresAction"}`,
			call:   func(ctx context.Context, c *creem.Client) error { return c.Refund(ctx, "tran_1") },
			target: "/v1/refunds", body: `{"transaction_id":"tran_1"}`, open: payments.Unknown,
		},
		// These may be repeated.
		{
			name: "PortalURL", reply: `{"customer_portal_link":"` + pageURL + `"}`,
			call: func(ctx context.Context, c *creem.Client) error {
				_, err := c.PortalURL(ctx, "cust_1")
				return err
			},
			target: "/v1/customers/billing", body: `{"customer_id":"cust_1"}`, open: payments.Transient,
		},
		{
			name: "AckEvent", reply: `{"id":"evt_1","success":true}`, anyReply: true,
			call:   func(ctx context.Context, c *creem.Client) error { return c.AckEvent(ctx, "wh_1", "evt_1") },
			target: "/v1/webhooks/wh_1/events/evt_1/ack", body: `{"status_code":200,"response_body":""}`, open: payments.Transient,
		},
	}
}

func TestChanges_Worked(t *testing.T) {
	t.Parallel()

	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, answer(http.StatusOK, c.reply))
			require.NoError(t, c.call(t.Context(), b.client))

			calls := b.arrived()
			require.Len(t, calls, 1)
			require.Equal(t, []string{http.MethodPost, c.target}, []string{calls[0].method, calls[0].target})
			require.Equal(t, testKey, calls[0].header.Get("X-Api-Key"))
			require.Empty(t, calls[0].header.Get("Idempotency-Key"), "net/http would repeat it")

			if c.body == "" {
				require.Empty(t, calls[0].body)
				require.Empty(t, calls[0].header.Get("Content-Type"))
			} else {
				require.JSONEq(t, c.body, calls[0].body)
				require.Equal(t, "application/json", calls[0].header.Get("Content-Type"))
			}
		})
	}
}

func TestChanges_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	for _, c := range changes() {
		for status, class := range map[int]payments.Class{
			400: payments.Rejected, 401: payments.Account, 403: payments.Account, 404: payments.NotFound, 409: payments.Rejected,
			422: payments.Rejected, 429: payments.Transient,
		} {
			t.Run(c.name+http.StatusText(status), func(t *testing.T) {
				t.Parallel()

				b := setup(t, answer(status, `{"status":404,"error":"Bad Request","message":["`+email+` is no secret"]}`))
				requireFailed(t, c.call(t.Context(), b.client), class)
				require.Len(t, b.arrived(), 1, "one call is one attempt")
			})
		}

		t.Run(c.name+"ServerDown", func(t *testing.T) {
			t.Parallel()

			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())

			client := creem.New(creem.Options{Key: redact.NewSecret(testKey), URL: "http://" + listener.Addr().String()})
			defer client.Close()

			requireFailed(t, c.call(t.Context(), client), payments.Transient)
		})

		t.Run(c.name+"GivenUpBefore", func(t *testing.T) {
			t.Parallel()

			b := setup(t, answer(http.StatusOK, c.reply))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()

			err := c.call(ctx, b.client)
			requireFailed(t, err, payments.Transient)
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, b.arrived())
		})
	}
}

func TestChanges_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	for _, c := range changes() {
		vendors := map[string]http.HandlerFunc{
			"Lost":      cut(""),
			"Truncated": cut("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + c.reply),
		}

		// These may or may not have happened: Creem documents nothing that tells.
		for _, status := range []int{307, 408, 500, 502, 503, 504} {
			vendors[http.StatusText(status)] = answer(status, "<html>"+email+"</html>")
		}

		for name, reply := range map[string]string{
			"Empty": "", "NotJSON": "<html>", "Null": "null", "Nothing": "{}", "OtherThing": `{"id":"sub_9"}`, "List": "[]",
		} {
			if !c.anyReply {
				vendors[name] = answer(http.StatusOK, reply)
			}
		}

		for name, vendor := range vendors {
			t.Run(c.name+name, func(t *testing.T) {
				t.Parallel()

				b := setup(t, vendor)
				requireFailed(t, c.call(t.Context(), b.client), c.open)
				require.Len(t, b.arrived(), 1, "one call is one attempt")
			})
		}

		t.Run(c.name+"Withheld", func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
				func(o *creem.Options) { o.Timeout = 100 * time.Millisecond })
			requireFailed(t, c.call(t.Context(), b.client), c.open)
			require.Len(t, b.arrived(), 1)
		})
	}
}

func TestRefund_ThatCreemSaysFailed(t *testing.T) {
	t.Parallel()

	for status, class := range map[string]payments.Class{
		"failed": payments.Rejected, "canceled": payments.Rejected, "succeeded": "", "pending": "", "a_new_word": "",
	} {
		b := setup(t, answer(http.StatusOK, `{"status":"`+status+`"}`))

		if err := b.client.Refund(t.Context(), "tran_1"); class == "" {
			require.NoError(t, err, status)
		} else {
			requireFailed(t, err, class)
		}
	}
}

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
