package demo

import (
	"fmt"

	"imagerun/cmd/imagerun/simulators"
	"imagerun/internal/payments/products"
	"imagerun/internal/simulators/creemsim"
)

// startCreem starts the simulator of who sells, which sells what we do and tells the api of it.
func (d *demo) startCreem(apiURL string) (err error) {
	sold, err := products.Load(nil, products.Test)
	if err != nil {
		return err
	}

	d.creem, err = simulators.StartCreem("127.0.0.1:0", creemsim.Options{
		APIKey: d.secrets.CreemKey, WebhookURL: apiURL + "/webhooks/creem", WebhookSecret: d.secrets.CreemWebhook,
		Products: creemProducts(sold), AllowPrivateCallbacks: true,
	})
	if err != nil {
		return fmt.Errorf("start the simulator of Creem: %w", err)
	}

	return nil
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
