package apptest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/kit/deliveries"
)

// nextSecret replaces the vendor's secret, while both are good.
const nextSecret = "whsec_that_comes_after_it"

// signed is a webhook's signature.
func signed(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)

	return hex.EncodeToString(mac.Sum(nil))
}

// postWebhook sends the api what may be a webhook of the vendor's.
func postWebhook(t *testing.T, p *apptest.Product, body []byte, signatures ...string) (status int, code string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/webhooks/creem", bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")

	for _, s := range signatures {
		r.Header.Add("Creem-Signature", s)
	}

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)
	require.NoError(t, err)

	var problem apptest.Problem
	if reply.StatusCode != http.StatusOK {
		require.NoError(t, json.Unmarshal(b, &problem), string(b))
	}

	return reply.StatusCode, problem.Code
}

// countBooks counts what webhooks may bring, once nothing of it is under way.
func countBooks(t *testing.T, p *apptest.Product) map[string]int {
	t.Helper()

	const live = `select count(*) from job where kind like 'inbox.%' or kind like 'payments.look%' or kind = 'payments.refund_order'`

	// What the vendor has to tell has arrived, and was worked.
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(p.Creem.Deliveries(), func(d deliveries.Delivery) bool {
			return d.State == deliveries.Waiting || d.State == deliveries.Sending
		})
	}, time.Minute, 10*time.Millisecond)
	p.Until(t, 0, live)

	rows := map[string]int{"job": p.Count(t, live)}
	for _, table := range []string{
		"inbox_event", "ledger_txn", "payment_checkout", "payment_subscription", "payment_change", "payment_order", "payment_plan", "payment_refund",
		"payment_withdrawal", "payment_difference",
	} {
		rows[table] = p.Count(t, "select count(*) from "+table)
	}

	return rows
}

// TestPayments_Hostile sends the api what is no webhook of the vendor's, and asks for what must not be had.
func TestPayments_Hostile(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{
		Workers: 1, Config: map[string]string{"credits.welcome_keys": "", "creem.webhook_secrets": nextSecret + "," + apptest.CreemSecret},
	})
	u := p.SignUp(t, "")
	pack, plan := u.Buy(t, "pack-small"), u.Buy(t, "pro-monthly")
	event := p.Creem.Events()[0]

	refuseForgeries(t, p, event.Body, event.ID)
	takeRotated(t, p, event.Body, event.ID)
	ignoreStrangers(t, p, event.Body, event.ID)

	stranger := p.SignUp(t, "")
	refusePurchases(t, p, u, stranger)
	hideFromStrangers(t, p, u, stranger, pack, plan)
	require.EqualValues(t, 600, creditsOf(t, u).Available)
	require.Zero(t, creditsOf(t, stranger).Available)
	p.CheckCredits(t)
}

// refuseForgeries demands that what is no webhook of ours leaves nothing behind, and neither does one that comes again.
func refuseForgeries(t *testing.T, p *apptest.Product, body []byte, id string) {
	t.Helper()

	fresh := bytes.ReplaceAll(body, []byte(id), []byte("evt_never_sent"))
	live := bytes.ReplaceAll(fresh, []byte(`"mode":"test"`), []byte(`"mode":"prod"`))
	large := append(bytes.Clone(fresh), bytes.Repeat([]byte(" "), 256<<10)...)
	nameless := bytes.ReplaceAll(body, []byte(id), nil)
	good := signed(fresh, apptest.CreemSecret)
	before := countBooks(t, p)

	for name, c := range map[string]struct {
		body       []byte
		signatures []string
		status     int
		code       string
	}{
		"Replayed":         {body, []string{signed(body, apptest.CreemSecret)}, http.StatusOK, ""},
		"Unsigned":         {fresh, nil, http.StatusUnauthorized, "webhook_signature_invalid"},
		"WrongSecret":      {fresh, []string{signed(fresh, "whsec_of_who_knows_nothing")}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"OfAnother":        {fresh, []string{signed(body, apptest.CreemSecret)}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"Changed":          {append(bytes.Clone(fresh), ' '), []string{good}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"Truncated":        {fresh[:len(fresh)/2], []string{good}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"HalfSigned":       {fresh, []string{good[:32]}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"TwiceSigned":      {fresh, []string{good, strings.Repeat("0", 64)}, http.StatusUnauthorized, "webhook_signature_invalid"},
		"WrongEnvironment": {live, []string{signed(live, apptest.CreemSecret)}, http.StatusUnauthorized, "webhook_environment_mismatch"},
		"Oversized":        {large, []string{signed(large, apptest.CreemSecret)}, http.StatusRequestEntityTooLarge, "body_too_large"},
		"NoJSON":           {fresh[:9], []string{signed(fresh[:9], apptest.CreemSecret)}, http.StatusUnprocessableEntity, "validation_failed"},
		"Nameless":         {nameless, []string{signed(nameless, apptest.CreemSecret)}, http.StatusUnprocessableEntity, "validation_failed"},
	} {
		status, code := postWebhook(t, p, c.body, c.signatures...)
		require.Equal(t, c.status, status, "%s: %s", name, code)
		require.Equal(t, c.code, code, name)
	}

	require.Equal(t, "400", cutShort(t, p, fresh, good))
	require.Equal(t, before, countBooks(t, p))
}

// cutShort ends a webhook before as much of it came as was announced, and returns how that is answered.
func cutShort(t *testing.T, p *apptest.Product, body []byte, signature string) (status string) {
	t.Helper()

	host := strings.TrimPrefix(p.URL, "http://")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	require.NoError(t, err)

	defer conn.Close()

	_, err = conn.Write([]byte("POST /webhooks/creem HTTP/1.1\r\nHost: " + host + "\r\nCreem-Signature: " + signature +
		"\r\nContent-Length: " + strconv.Itoa(len(body)+1) + "\r\n\r\n" + string(body)))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite()) //nolint:forcetypeassert // it was dialed
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))

	answer, err := io.ReadAll(conn)
	require.NoError(t, err)

	return strings.Split(string(answer)+"  ", " ")[1]
}

// takeRotated demands that both secrets are good, and that the same thing told of anew brings nothing anew.
func takeRotated(t *testing.T, p *apptest.Product, body []byte, id string) {
	t.Helper()

	want := countBooks(t, p)
	want["inbox_event"] += 2

	for _, secret := range []string{nextSecret, apptest.CreemSecret} {
		again := bytes.ReplaceAll(body, []byte(id), []byte("evt_by_"+secret))
		status, code := postWebhook(t, p, again, signed(again, secret))
		require.Equal(t, http.StatusOK, status, code)
	}

	require.Equal(t, want, countBooks(t, p))
	require.Equal(t, 2, p.Count(t, `select count(*) from inbox_event where event_id like 'evt_by_%' and state = 'worked'`))
}

// ignoreStrangers demands that events which are not ours to follow are kept, and change nothing.
func ignoreStrangers(t *testing.T, p *apptest.Product, body []byte, id string) {
	t.Helper()

	types := []string{"subscription.transformed", "credits.granted", "credits.consumed", "credits.auto_recharged", "customer_credits.exhausted"}
	want := countBooks(t, p)
	want["inbox_event"] += len(types)

	for _, kind := range types {
		event := bytes.ReplaceAll(body, []byte(id), []byte("evt_"+kind))
		event = bytes.Replace(event, []byte(`"checkout.completed"`), []byte(strconv.Quote(kind)), 1)
		status, code := postWebhook(t, p, event, signed(event, apptest.CreemSecret))
		require.Equal(t, http.StatusOK, status, code)
	}

	require.Equal(t, want, countBooks(t, p))
	require.Equal(t, len(types), p.Count(t, `select count(*) from inbox_event where state = 'ignored' and event_type = any($1)`, types))
}

// refusePurchases asks for what is not sold, and for a second plan.
func refusePurchases(t *testing.T, p *apptest.Product, subscriber, stranger *apptest.User) {
	t.Helper()

	refuse := func(u *apptest.User, product, currency string, status int, code string) {
		t.Helper()

		got, problem := u.Refused(t, http.MethodPost, "/v1/checkouts", map[string]any{"product": product, "currency": currency})
		require.Equal(t, status, got, problem)
		require.Equal(t, code, problem.Code)
	}

	before := countBooks(t, p)
	calls := p.Creem.Stats().Checkouts

	refuse(stranger, "pack-of-nothing", "EUR", http.StatusUnprocessableEntity, "product_not_sold")
	refuse(stranger, "pack-small", "GBP", http.StatusUnprocessableEntity, "currency_not_sold")
	refuse(subscriber, "studio-monthly", "EUR", http.StatusConflict, "already_subscribed")
	require.Equal(t, before, countBooks(t, p))
	require.Equal(t, calls, p.Creem.Stats().Checkouts, "the vendor was not asked")

	c := stranger.BeginCheckout(t, "pro-monthly")
	before = countBooks(t, p)

	refuse(stranger, "studio-monthly", "EUR", http.StatusConflict, "checkout_open")

	// Coming back with parameters that say so is no payment.
	page := readPage(t, p, stranger, "/checkout/return/"+c.ID+"?status=completed&checkout_id="+c.VendorID()+"&order_id=ord_1&signature="+strings.Repeat("0", 64))
	require.Contains(t, page, "We are waiting")
	require.NotContains(t, page, "ord_1")
	require.NotContains(t, readPage(t, p, subscriber, "/checkout/return/"+c.ID), c.SupportCode)
	require.Equal(t, before, countBooks(t, p))
}

// hideFromStrangers demands that what one person bought is not there for another.
func hideFromStrangers(t *testing.T, p *apptest.Product, owner, stranger *apptest.User, pack, plan apptest.Bought) {
	t.Helper()

	var list struct{ Data []apptest.Subscription }

	owner.Do(t, http.MethodGet, "/v1/subscriptions", nil, &list)
	require.Len(t, list.Data, 1)

	subscription := "/v1/subscriptions/" + list.Data[0].ID
	before := countBooks(t, p)

	for _, path := range []string{
		"/v1/orders/" + pack.Order.ID, "/v1/orders/" + plan.Order.ID + "/receipt", "/v1/orders/" + pack.Order.ID + "/withdrawal",
		"/v1/checkouts/" + pack.Checkout.ID, subscription, subscription + "/change?product=studio-monthly",
	} {
		require.Equal(t, http.StatusNotFound, stranger.Do(t, http.MethodGet, path, nil, nil).StatusCode, path)
		require.Equal(t, http.StatusOK, owner.Do(t, http.MethodGet, path, nil, nil).StatusCode, path)
	}

	for path, body := range map[string]any{
		"/v1/orders/" + pack.Order.ID + "/withdrawal": map[string]any{"confirm": strings.Repeat("0", 32)},
		subscription + "/change":                      map[string]any{"product": "studio-monthly"},
		subscription + "/cancel":                      nil,
		subscription + "/resume":                      nil,
	} {
		require.Equal(t, http.StatusNotFound, stranger.Do(t, http.MethodPost, path, body, nil).StatusCode, path)
	}

	require.Equal(t, before, countBooks(t, p))
}
