package apptest

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments/products"
	"imagerun/internal/simulators/creemsim"
)

const (
	// CreemKey is the key of every product at who sells.
	CreemKey = "creem_test_of_the_tests"
	// CreemSecret signs what who sells tells of.
	CreemSecret = "whsec_that_signs_only_tests"
)

// startCreem starts the simulator of who sells, which sells what we do and tells the api of it.
func (p *Product) startCreem(t testing.TB, o creemsim.Options) {
	t.Helper()

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	o.APIKey, o.WebhookURL, o.WebhookSecret = CreemKey, p.URL+"/webhooks/creem", CreemSecret
	o.Products, o.AllowPrivateCallbacks = creemProducts(sold), true
	p.Creem = creemsim.New(o)
	t.Cleanup(p.Creem.Close)

	creem := httptest.NewServer(p.Creem.Handler())
	t.Cleanup(creem.Close)
	p.CreemURL = creem.URL
}

// creemProducts are our products as they would stand in Creem's dashboard.
func creemProducts(sold *products.Products) (list []creemsim.Product) {
	for _, p := range sold.All() {
		for _, price := range p.Prices {
			c := creemsim.Product{ID: sold.VendorID(price), Name: p.Name, Description: p.Description, Price: price.Amount, Currency: price.Currency}

			switch p.Interval {
			case products.Month:
				c.BillingType, c.BillingPeriod = creemsim.BillingRecurring, "every-month"
			case products.Year:
				c.BillingType, c.BillingPeriod = creemsim.BillingRecurring, "every-year"
			}

			list = append(list, c)
		}
	}

	return list
}
