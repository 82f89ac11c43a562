package apptest

import (
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/creemsim"
)

// Checkout is the resource, as a caller sees it.
type Checkout struct {
	ID          string  `json:"id"`
	Status      string  `json:"status"`
	URL         string  `json:"url"` // empty: it cannot be paid any more
	Order       *string `json:"order"`
	SupportCode string  `json:"support_code"`
}

// VendorID is what who sells calls it.
func (c Checkout) VendorID() string { return path.Base(c.URL) }

// Order is the resource, as a caller sees it.
type Order struct {
	ID          string `json:"id"`
	Paid        int64  `json:"paid"`
	Credits     int64  `json:"credits"`
	Refunded    int64  `json:"refunded"`
	Refund      string `json:"refund"`
	SupportCode string `json:"support_code"`
}

// Subscription is the resource, as a caller sees it.
type Subscription struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	Product     string     `json:"product"`
	PeriodEnd   *time.Time `json:"period_end"`
	EndsAt      *time.Time `json:"ends_at"`
	SupportCode string     `json:"support_code"`
}

// Bought is a checkout that was paid.
type Bought struct {
	creemsim.Paid

	Checkout Checkout
	Order    Order
}

// BeginCheckout makes a page to pay at, in euros.
func (u *User) BeginCheckout(t testing.TB, product string) (c Checkout) {
	t.Helper()

	reply := u.Do(t, http.MethodPost, "/v1/checkouts", map[string]any{"product": product, "currency": "EUR"}, &c)
	require.Equal(t, http.StatusCreated, reply.StatusCode)
	require.Equal(t, "open", c.Status)

	return c
}

// Buy has a product paid at who sells, and waits until a webhook of theirs has brought what it gives.
func (u *User) Buy(t testing.TB, product string) (b Bought) {
	t.Helper()

	c := u.BeginCheckout(t, product)

	paid, err := u.p.Creem.PayCheckout(c.VendorID())
	require.NoError(t, err)

	b.Paid = paid
	u.p.Until(t, 1, `select count(*) from payment_order where transaction_id = $1 and months_given > 0`, paid.TransactionID)
	u.p.Until(t, 1, `select count(*) from payment_checkout where vendor_id = $1 and status = 'completed'`, paid.CheckoutID)
	u.Do(t, http.MethodGet, "/v1/checkouts/"+c.ID, nil, &b.Checkout)
	require.NotNil(t, b.Checkout.Order)
	u.Do(t, http.MethodGet, "/v1/orders/"+*b.Checkout.Order, nil, &b.Order)

	return b
}

// Until waits until a query returns a number.
func (p *Product) Until(t testing.TB, n int, sql string, args ...any) {
	t.Helper()
	require.Eventually(t, func() bool { return p.Count(t, sql, args...) == n }, 30*time.Second, 20*time.Millisecond, "%s\n%s", sql, p.Log)
}
