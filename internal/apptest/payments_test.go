package apptest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/payments/products"
	"imagerun/internal/simulators/creemsim"
)

// lastMonth is how long ago what is paid for a month has ended by now.
func lastMonth(now time.Time) (ago time.Duration) {
	for ago = 28 * 24 * time.Hour; !products.AddMonths(now.Add(-ago), 1).Before(now); {
		ago += 24 * time.Hour
	}

	return ago
}

// startShop runs a product whose users have no credits but those that they buy, at a vendor whose clock is late.
func startShop(t *testing.T, late time.Duration) *apptest.Product {
	t.Helper()

	return apptest.Start(t, apptest.Options{
		Workers: 1, Config: map[string]string{"credits.welcome_keys": ""},
		Creem: creemsim.Options{Now: func() time.Time { return time.Now().Add(-late) }},
	})
}

func creditsOf(t *testing.T, u *apptest.User) (has balance) {
	t.Helper()
	u.Do(t, http.MethodGet, "/v1/credits", nil, &has)

	return has
}

// hasPlan waits until a user has a plan.
func hasPlan(t *testing.T, p *apptest.Product, u *apptest.User, plan string) {
	t.Helper()
	p.Until(t, 1, `select count(*) from generation_user where user_id = $1 and plan = $2`, u.ID, plan)
}

// readPage reads a page as its owner does in a browser; without an owner, as a stranger.
func readPage(t *testing.T, p *apptest.Product, u *apptest.User, path string) string {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
	require.NoError(t, err)

	if u != nil {
		r.Header.Set("Authorization", "Bearer "+u.Bearer)
	}

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode, string(b))

	return string(b)
}

// TestPayments is what people buy and give back, in the whole product: each thing is paid at the vendor, and told of by its webhooks.
func TestPayments(t *testing.T) { //nolint:tparallel // Each returns when its parallel tests have ended
	t.Parallel()

	late := lastMonth(time.Now())
	p := startShop(t, late)

	subscribe(t, p, late)
	t.Run("Each", func(t *testing.T) {
		for name, try := range map[string]func(*testing.T, *apptest.Product, *apptest.User){
			"Pack": buyPack, "Withdrawal": withdraw, "Chargeback": chargeBack, "RefundByHand": refundByHand,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				try(t, p, p.SignUp(t, ""))
			})
		}
	})

	require.Zero(t, p.Count(t, `select count(*) from payment_difference`), "webhooks told of everything")
	require.Zero(t, p.Count(t, `select count(*) from inbox_event where state <> 'worked'`))
	require.Zero(t, p.Count(t, `select count(*) from job where state = 'dead'`))
	p.CheckCredits(t)
}

// subscribe buys a plan, has it renewed, upgrades and cancels it. The vendor's clock is ours afterwards.
func subscribe(t *testing.T, p *apptest.Product, late time.Duration) {
	t.Helper()

	u := p.SignUp(t, "")
	bought := u.Buy(t, "pro-monthly")
	require.EqualValues(t, 500, creditsOf(t, u).Available)

	// It renews by itself.
	p.Creem.Clock.Move(late)
	p.Until(t, 2, `select count(*) from payment_order o join payment_subscription s on s.id = o.subscription_id
		where s.vendor_id = $1 and o.months_given = 1`, bought.SubscriptionID)
	hasPlan(t, p, u, "pro")
	require.EqualValues(t, 1000, creditsOf(t, u).Available)

	var list struct{ Data []apptest.Subscription }

	u.Do(t, http.MethodGet, "/v1/subscriptions", nil, &list)
	require.Len(t, list.Data, 1)

	s := list.Data[0]
	require.Equal(t, []string{"active", "pro-monthly"}, []string{s.Status, s.Product})
	require.True(t, s.PeriodEnd.After(time.Now()))
	require.NotEmpty(t, s.SupportCode)

	// An upgrade does what was told of it.
	var change struct {
		Immediate bool
		Credits   int64
	}

	u.Do(t, http.MethodGet, "/v1/subscriptions/"+s.ID+"/change?product=studio-monthly", nil, &change)
	require.True(t, change.Immediate)
	require.Positive(t, change.Credits)
	u.Do(t, http.MethodPost, "/v1/subscriptions/"+s.ID+"/change", map[string]any{"product": "studio-monthly"}, &s)
	hasPlan(t, p, u, "studio")
	p.Until(t, 1, `select count(*) from payment_change where status = 'done'`)
	require.InDelta(t, 1000+change.Credits, creditsOf(t, u).Available, 1, "some minutes less")

	// A cancel ends it with what was paid.
	u.Do(t, http.MethodPost, "/v1/subscriptions/"+s.ID+"/cancel", nil, &s)
	require.Equal(t, "scheduled_cancel", s.Status)
	require.WithinDuration(t, *s.PeriodEnd, *s.EndsAt, time.Second)
	p.Until(t, 1, `select count(*) from payment_subscription where status = 'scheduled_cancel'`)
	hasPlan(t, p, u, "studio")

	var portal struct{ URL string }

	u.Do(t, http.MethodPost, "/v1/billing_portal", nil, &portal)
	require.True(t, strings.HasPrefix(portal.URL, p.CreemURL+"/portal/"), "it is a page of the vendor's")
}

func buyPack(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	bought := u.Buy(t, "pack-small")
	require.Equal(t, "completed", bought.Checkout.Status)
	require.Equal(t, []int64{605, 100, 0}, []int64{bought.Order.Paid, bought.Order.Credits, bought.Order.Refunded})
	require.EqualValues(t, 100, creditsOf(t, u).Available)

	receipt := readPage(t, p, u, "/v1/orders/"+bought.Order.ID+"/receipt")
	for _, want := range []string{"100 credits", "EUR 5.00", "EUR 1.05", "EUR 6.05", bought.Order.ID, bought.Order.SupportCode, bought.TransactionID} {
		require.Contains(t, receipt, want)
	}

	// The vendor's page sends people back to ours.
	back := strings.TrimPrefix(bought.ReturnURL, p.URL)
	require.Contains(t, readPage(t, p, u, back), "your payment has arrived")
	require.NotContains(t, readPage(t, p, nil, back), "your payment has arrived")

	status, problem := u.Refused(t, http.MethodPost, "/v1/billing_portal", map[string]any{})
	require.Equal(t, http.StatusNotFound, status, problem)
}

func withdraw(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	bought := u.Buy(t, "pack-small")
	path := "/v1/orders/" + bought.Order.ID + "/withdrawal"

	var offer struct {
		Refund       int64
		CreditsTaken int64 `json:"credits_taken"`
		ByHand       bool  `json:"by_hand"`
		Confirm      string
	}

	u.Do(t, http.MethodGet, path, nil, &offer)
	require.Equal(t, []int64{605, 100}, []int64{offer.Refund, offer.CreditsTaken})
	require.False(t, offer.ByHand)

	status, problem := u.Refused(t, http.MethodPost, path, map[string]any{"confirm": strings.Repeat("0", len(offer.Confirm))})
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "withdrawal_changed", problem.Code)
	require.EqualValues(t, 100, creditsOf(t, u).Available)

	var declared struct {
		Number, Refund int64
		Hash           string
	}

	u.Do(t, http.MethodPost, path, map[string]any{"confirm": offer.Confirm}, &declared)
	require.EqualValues(t, 605, declared.Refund)
	require.Len(t, declared.Hash, 64)
	require.Zero(t, creditsOf(t, u).Available, "they are taken at once")

	// The money goes back through the vendor, whose word is what the order shows.
	p.Until(t, 1, `select count(*) from payment_order where transaction_id = $1 and refunded = 605`, bought.TransactionID)

	var o apptest.Order

	u.Do(t, http.MethodGet, "/v1/orders/"+bought.Order.ID, nil, &o)
	require.Equal(t, "fully", o.Refund)
	require.Equal(t, balance{Grants: creditsOf(t, u).Grants}, creditsOf(t, u), "nothing is left and nothing owed")

	again := declared
	u.Do(t, http.MethodPost, path, map[string]any{"confirm": offer.Confirm}, &again)
	require.Equal(t, declared, again)
}

func chargeBack(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	bought := u.Buy(t, "pack-small")
	g := u.Submit(t, map[string]any{"model": "flux-dev", "num_images": 2})
	require.Equal(t, "succeeded", u.Await(t, g.ID, 30*time.Second).Status)

	spent := 100 - creditsOf(t, u).Available
	require.Positive(t, spent)

	// The bank takes the money back: what was spent is owed.
	require.NoError(t, p.Creem.Dispute(bought.TransactionID))
	p.Until(t, 1, `select count(*) from payment_order where transaction_id = $1 and disputed`, bought.TransactionID)

	has := creditsOf(t, u)
	require.Equal(t, []int64{0, 0, spent}, []int64{has.Available, has.Held, has.Debt})

	status, problem := u.Refused(t, http.MethodPost, "/v1/generations", map[string]any{"model": "z-image-turbo", "prompt": "a lighthouse"})
	require.Equal(t, http.StatusPaymentRequired, status)
	require.Equal(t, "account_in_debt", problem.Code)

	status, problem = u.Refused(t, http.MethodPost, "/v1/orders/"+bought.Order.ID+"/withdrawal", map[string]any{"confirm": strings.Repeat("0", 32)})
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "order_disputed", problem.Code)

	// The next purchase pays it.
	u.Buy(t, "pack-small")

	has = creditsOf(t, u)
	require.Equal(t, []int64{100 - spent, 0, 0}, []int64{has.Available, has.Held, has.Debt})
	require.Equal(t, "succeeded", u.Await(t, u.Submit(t, nil).ID, 30*time.Second).Status)
}

// refundByHand has our support give a part of the money back in the vendor's dashboard: as large a part of the credits goes.
func refundByHand(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	bought := u.Buy(t, "pack-small")
	require.NoError(t, p.Creem.Refund(bought.TransactionID, 302))
	p.Until(t, 1, `select count(*) from payment_order where transaction_id = $1 and refunded = 302`, bought.TransactionID)
	require.EqualValues(t, 51, creditsOf(t, u).Available)

	var o apptest.Order

	u.Do(t, http.MethodGet, "/v1/orders/"+bought.Order.ID, nil, &o)
	require.Equal(t, "partly", o.Refund)
	require.Contains(t, readPage(t, p, u, "/v1/orders/"+o.ID+"/receipt"), "EUR 3.02")

	status, problem := u.Refused(t, http.MethodPost, "/v1/orders/"+o.ID+"/withdrawal", map[string]any{"confirm": strings.Repeat("0", 32)})
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "order_refunded", problem.Code)
}
