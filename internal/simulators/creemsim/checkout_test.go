package creemsim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

func TestCheckout_OfAPack(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	made := b.get("POST", "/v1/checkouts", `{"product_id":"prod_pack","units":2,"request_id":"req-1","customer":{"email":"Ada@Example.com"},
		"success_url":"https://app.example/return?lang=en","metadata":{"user_id":"usr_1"}}`)
	id := text(made, "id")

	require.Equal(t, "pending", made["status"])
	require.Equal(t, pack, made["product"])
	require.Equal(t, b.url+"/checkout/"+id, made["checkout_url"])
	require.NotContains(t, made, "order")

	paid, err := b.sim.PayCheckout(id)
	require.NoError(t, err)
	require.Empty(t, paid.SubscriptionID)

	_, err = b.sim.PayCheckout(id)
	require.ErrorContains(t, err, "completed")

	got := b.get("GET", "/v1/checkouts?checkout_id="+id, "")
	require.Equal(t, "completed", got["status"])
	require.Equal(t, "req-1", got["request_id"])
	require.Equal(t, paid.OrderID, text(got, "order", "id"))
	require.Equal(t, paid.TransactionID, text(got, "order", "transaction"))

	// 21 % on top.
	bought := b.get("GET", "/v1/transactions?transaction_id="+paid.TransactionID, "")
	require.Equal(t, []any{2000.0, 420.0, 2420.0, "payment", "paid"}, []any{bought["amount"], bought["tax_amount"], bought["amount_paid"], bought["type"], bought["status"]})

	customer := b.get("GET", "/v1/customers?email=ADA@example.com", "")
	require.Equal(t, "ada@example.com", customer["email"])
	require.Equal(t, paid.CustomerID, customer["id"])

	// One event, with product and customer whole, signed over its exact bytes.
	event := b.await(1)[0]
	require.Equal(t, "checkout.completed", event.event.Type)
	require.Equal(t, "onetime", text(event.event.Object, "order", "type"))
	require.Equal(t, "usr_1", text(event.event.Object, "metadata", "user_id"))
	require.Equal(t, "ada@example.com", text(event.event.Object, "customer", "email"))
	require.Equal(t, pack, text(event.event.Object, "product", "id"))
	require.NotContains(t, event.event.Object, "subscription")

	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write(event.raw)
	require.Equal(t, hex.EncodeToString(mac.Sum(nil)), event.header.Get("creem-signature"))
}

func TestCheckout_SignsTheReturn(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid, err := b.sim.PayCheckout(b.checkout(monthly, `,"request_id":"a b","success_url":"https://app.example/return?lang=en&empty="`))
	require.NoError(t, err)

	back, err := url.Parse(paid.ReturnURL)
	require.NoError(t, err)

	sum := sha256.Sum256([]byte(strings.Join([]string{
		"lang=en", "request_id=a b", "checkout_id=" + paid.CheckoutID, "order_id=" + paid.OrderID, "customer_id=" + paid.CustomerID,
		"subscription_id=" + paid.SubscriptionID, "product_id=" + monthly, "salt=" + testKey,
	}, "|")))
	require.Equal(t, hex.EncodeToString(sum[:]), back.Query().Get("signature"))

	bare, err := b.sim.PayCheckout(b.checkout(pack, ""))
	require.NoError(t, err)
	require.Empty(t, bare.ReturnURL)
}

func TestCheckout_OfASubscription(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	paid := b.buy(monthly)
	byType := map[string]map[string]any{}

	for _, p := range b.await(3) {
		byType[p.event.Type] = p.event.Object
	}

	completed := byType["checkout.completed"]
	require.Equal(t, monthly, text(completed, "subscription", "product"))
	require.Equal(t, "usr_1", text(completed, "subscription", "metadata", "user_id"))
	require.Empty(t, text(completed, "subscription", "last_transaction_id"), "only subscription.paid tells")
	require.Equal(t, monthly, text(byType["subscription.active"], "product", "id"))
	require.Equal(t, paid.TransactionID, text(byType["subscription.paid"], "last_transaction_id"))
	require.Equal(t, "usr_1", text(byType["subscription.paid"], "metadata", "user_id"))
	require.Equal(t, []string{"checkout.completed", "subscription.active", "subscription.paid"}, b.told(0))
}

func TestCheckout_PricesAndDiscounts(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	code := func(members string) {
		b.get("POST", "/v1/discounts", `{"name":"n","duration":"once","applies_to_products":["prod_pack","prod_monthly"],`+members+`}`)
	}
	code(`"code":"TENTH","type":"percentage","percentage":10`)
	code(`"code":"FIVE","type":"fixed","amount":500,"currency":"EUR","max_redemptions":1`)

	for members, want := range map[string]int64{
		`,"units":3,"custom_price":1234`: 3*1234 + 777,
		`,"discount_code":"tenth"`:       900 + 189,
		`,"discount_code":"FIVE"`:        500 + 105,
		`,"custom_fields":[{"type":"text","key":"company","label":"Company"}]`:      1210,
		`,"customer":{"email":"a@b.example"},"custom_price":101,"discount_code":""`: 101 + 21,
	} {
		paid, err := b.sim.PayCheckout(b.checkout(pack, members))
		require.NoError(t, err)

		got := b.get("GET", "/v1/transactions?transaction_id="+paid.TransactionID, "")
		require.InDelta(t, want, got["amount_paid"], 0, members)
	}

	for _, refused := range []string{
		`"product_id":5`, `"units":1`, `"product_id":"prod_pack","units":0`, `"product_id":"prod_pack","custom_price":99`,
		`"product_id":"prod_monthly","custom_price":500`, `"product_id":"prod_pack","discount_code":"FIVE"`,
		`"product_id":"prod_yearly","discount_code":"TENTH"`, `"product_id":"prod_pack","customer":{"id":"cust_1","email":"a@b.example"}`,
	} {
		r := b.do("POST", "/v1/checkouts", `{`+refused+`}`)
		require.Equal(t, http.StatusBadRequest, r.status, refused)
		require.NotEmpty(t, r.body["message"], refused)
		require.Contains(t, r.body, "trace_id")
	}

	require.Equal(t, http.StatusNotFound, b.do("POST", "/v1/checkouts", `{"product_id":"prod_none"}`).status)
}

func TestCheckout_IsDeclinedOrExpires(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	status := func(id string) any { return b.get("GET", "/v1/checkouts?checkout_id="+id, "")["status"] }

	declined := b.checkout(pack, "")
	require.NoError(t, b.sim.DeclineCheckout(declined))
	require.Equal(t, "pending", status(declined), "another card may do")

	abandoned := b.checkout(pack, "")
	require.NoError(t, b.sim.AbandonCheckout(abandoned))
	require.Equal(t, "expired", status(abandoned))

	_, err := b.sim.PayCheckout(abandoned)
	require.ErrorContains(t, err, "expired")

	b.move(24 * time.Hour)
	require.Equal(t, "expired", status(declined))
	require.Empty(t, b.sim.Events())
}

// A person clicks through the hosted page, without scripts.
func TestPage_Pays(t *testing.T) {
	t.Parallel()

	b := setup(t, creemsim.Options{})
	path := "/checkout/" + b.checkout(monthly, `,"units":2,"success_url":"https://app.example/return","customer":{"email":"ada@example.com"},
		"custom_fields":[{"type":"checkbox","key":"waiver","label":"Waiver","checkbox":{"label":"I agree <b>now</b>"}}]`)

	page := b.do("GET", path, "")
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))

	for _, part := range []string{"EUR 20.00", "EUR 4.20", "EUR 24.20", "every month", `value="ada@example.com"`, "I agree &lt;b&gt;now", `value="pay"`, `value="decline"`, `value="abandon"`} {
		require.Contains(t, page.raw, part)
	}

	require.Contains(t, b.do("POST", path, "action=decline").raw, "declined")
	require.Contains(t, b.do("POST", path, "action=pay&email=nobody").raw, "enter your email")
	require.Contains(t, b.do("POST", path, "action=pay&email=ada%40example.com").raw, "Please fill in: Waiver")

	paid := b.do("POST", path, "action=pay&email=ada%40example.com&field_waiver=on")
	require.Equal(t, http.StatusSeeOther, paid.status)
	require.Regexp(t, "^https://app.example/return\\?checkout_id=ch_.*&signature=[0-9a-f]{64}$", paid.header.Get("Location"))
	require.Contains(t, b.do("GET", path, "").raw, "This is paid")
	require.Contains(t, b.do("POST", path, "action=abandon").raw, "This is paid")
	require.Equal(t, http.StatusNotFound, b.do("GET", "/checkout/ch_none", "").status)

	other := "/checkout/" + b.checkout(pack, "")
	require.Contains(t, b.do("POST", other, "action=abandon").raw, "expired")
}
