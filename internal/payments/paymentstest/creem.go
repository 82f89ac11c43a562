package paymentstest

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/products"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/creemsim"
)

const creemKey = "creem_test_0123456789abcdef"

// Creem is its simulator, which sells our products in euros. It sends no webhook by itself.
type Creem struct {
	*creemsim.Sim

	URL string
}

// NewCreem serves a simulator whose ids are the same in every run of a seed; zero: random. It goes by a clock.
func NewCreem(t testing.TB, c *clocktest.Clock, seed uint64) *Creem {
	t.Helper()

	var sold []creemsim.Product

	shop := Products(t)

	for _, p := range shop.Sold() {
		price, ok := p.PriceIn("EUR")
		require.True(t, ok)

		one := creemsim.Product{ID: shop.VendorID(price), Name: p.Name, Description: p.Description, Price: price.Amount, Currency: price.Currency}
		if p.Kind == products.Plan {
			one.BillingType, one.BillingPeriod = creemsim.BillingRecurring, "every-"+string(p.Interval)
		}

		sold = append(sold, one)
	}

	sim := creemsim.New(creemsim.Options{APIKey: creemKey, Seed: seed, Now: c.Now, Products: sold})
	server := httptest.NewServer(sim.Handler())

	t.Cleanup(func() {
		server.Close()
		sim.Close()
	})

	return &Creem{Sim: sim, URL: server.URL}
}

// NewClient returns our client of a simulator. Its pages are small, so that there are many.
func NewClient(t testing.TB, url string) *creem.Client {
	t.Helper()

	c := creem.New(creem.Options{Key: redact.NewSecret(creemKey), URL: url, PageSize: 2, AllowPlainHTTP: true, Timeout: time.Minute})
	t.Cleanup(c.Close)

	return c
}
