package creem_test

import (
	"context"
	"net"
	"net/http"
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
