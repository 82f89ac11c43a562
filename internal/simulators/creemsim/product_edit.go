package creemsim

import (
	"slices"
	"strings"
)

// productFields are what create and patch may say of a product. Absent: nil.
type productFields struct {
	Name          *string `json:"name"`
	Description   *string `json:"description"`
	Price         *int64  `json:"price"`
	Currency      *string `json:"currency"`
	BillingType   *string `json:"billing_type"`
	BillingPeriod *string `json:"billing_period"`
	TaxMode       *string `json:"tax_mode"`
	TrialDays     *int    `json:"trial_period_days"`
	SuccessURL    *string `json:"default_success_url"`
}

// applyTo changes what is given of a product.
func (f productFields) applyTo(p *Product) {
	for _, text := range []struct {
		from *string
		to   *string
	}{
		{f.Name, &p.Name}, {f.Description, &p.Description}, {f.Currency, &p.Currency}, {f.BillingType, &p.BillingType},
		{f.BillingPeriod, &p.BillingPeriod}, {f.TaxMode, &p.TaxMode}, {f.SuccessURL, &p.SuccessURL},
	} {
		if text.from != nil {
			*text.to = *text.from
		}
	}

	if f.Price != nil {
		p.Price = *f.Price
	}

	if f.TrialDays != nil {
		p.TrialDays = *f.TrialDays
	}
}

// Check refuses a product as Creem does, all that is wrong at once.
func (p Product) Check() error {
	p = p.withDefaults()

	var messages []string

	refuse := func(when bool, message string) {
		if when {
			messages = append(messages, message)
		}
	}
	refuse(p.Name == "", "name must be a string")
	refuse(p.Description == "", "description must be a string")
	refuse(p.Price != 0 && p.Price < 100, "price must be 0 or not less than 100")
	refuse(!slices.Contains([]string{"EUR", "USD"}, p.Currency), "currency must be one of the following values: EUR, USD")
	refuse(!slices.Contains([]string{BillingOneTime, BillingRecurring}, p.BillingType), "billing_type must be one of the following values: recurring, onetime")

	if p.BillingType == BillingRecurring {
		_, known := billingMonths()[p.BillingPeriod]
		refuse(!known, "billing_period must be one of the following values: "+strings.Join(knownPeriods(), ", "))
	}

	if len(messages) > 0 {
		return badRequest(messages...)
	}

	return nil
}

// createProduct makes one, and with an Idempotency-Key that was used before returns the first.
func (s *Sim) createProduct(c *call) (any, error) {
	key := c.r.Header.Get("Idempotency-Key")

	for _, p := range s.products {
		if key != "" && p.idempotencyKey == key {
			return renderProduct(p), nil
		}
	}

	var in productFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	var made Product

	in.applyTo(&made)

	if made.BillingType == BillingOneTime {
		made.BillingPeriod = periodOnce
	}

	if err := made.Check(); err != nil {
		return nil, err
	}

	p := s.addProduct(made)
	p.idempotencyKey = key

	return renderProduct(p), nil
}

func (s *Sim) changeProduct(c *call) (any, error) {
	p, err := s.findProduct(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}

	var in productFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	next := p.Product
	in.applyTo(&next)

	if err := next.Check(); err != nil {
		return nil, err
	}

	p.Product, p.updated = next, c.now

	return renderProduct(p), nil
}

func (s *Sim) archiveProduct(c *call) (any, error) {
	p, err := s.findProduct(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}

	p.isArchived, p.updated = true, c.now

	return renderProduct(p), nil
}
