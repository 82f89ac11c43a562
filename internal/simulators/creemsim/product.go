package creemsim

import (
	"net/http"
	"slices"
	"time"
)

// The billing types and the period of what is bought once.
const (
	BillingOneTime   = "onetime"
	BillingRecurring = "recurring"

	periodOnce = "once"
)

// Product is something to buy.
type Product struct {
	ID            string // empty: one is made
	Name          string
	Description   string
	Price         int64  // of one unit, in minor units
	Currency      string // EUR or USD; empty: EUR
	BillingType   string // BillingOneTime, BillingRecurring; empty: the first
	BillingPeriod string // "once", "every-month", "every-year", …; empty: as the type has it
	TaxMode       string // "exclusive", "inclusive"; empty: the first
	TrialDays     int    // before the first payment of a subscription
	SuccessURL    string // of checkouts that name none
}

// product is one with its state.
type product struct {
	Product

	idempotencyKey   string // that it was made with; empty: none
	isArchived       bool
	created, updated time.Time
}

// withDefaults puts Creem's own in place of what is not given.
func (p Product) withDefaults() Product {
	if p.Currency == "" {
		p.Currency = "EUR"
	}

	if p.BillingType == "" {
		p.BillingType = BillingOneTime
	}

	if p.BillingPeriod == "" {
		p.BillingPeriod = periodOnce
		if p.BillingType == BillingRecurring {
			p.BillingPeriod = "every-month"
		}
	}

	if p.TaxMode == "" {
		p.TaxMode = "exclusive"
	}

	return p
}

// addProduct takes a product in. The caller holds mu.
func (s *Sim) addProduct(p Product) *product {
	if p.ID == "" {
		p.ID = s.newID("prod")
	}

	now := s.Clock.Now()
	made := &product{Product: p.withDefaults(), created: now, updated: now}
	s.products = append(s.products, made)

	return made
}

func (s *Sim) findProduct(id string) (*product, error) {
	for _, p := range s.products {
		if p.ID == id {
			return p, nil
		}
	}

	return nil, notFound("Product not found")
}

func renderProduct(p *product) object {
	out := object{
		"id": p.ID, "mode": modeTest, "object": "product", "name": p.Name, "description": p.Description, "price": p.Price,
		"currency": p.Currency, "billing_type": p.BillingType, "billing_period": p.BillingPeriod, "status": "active",
		"tax_mode": p.TaxMode, "tax_category": "saas", "default_success_url": p.SuccessURL,
		"created_at": formatTime(p.created), "updated_at": formatTime(p.updated),
	}

	if p.isArchived {
		out["status"] = "archived"
	}

	if p.TrialDays > 0 {
		out["trial_period_days"] = p.TrialDays
	}

	return out
}

func (s *Sim) routeProducts(mux *http.ServeMux) {
	mux.Handle("GET /v1/products", s.serveAPI(RouteProducts, func(c *call) (any, error) { return s.showProduct(c.readQuery("product_id")) }))
	mux.Handle("GET /v1/products/search", s.serveAPI(RouteProducts, s.searchProducts))
	mux.Handle("GET /v1/products/{id}", s.serveAPI(RouteProducts, func(c *call) (any, error) { return s.showProduct(c.r.PathValue("id")) }))
	mux.Handle("POST /v1/products", s.serveAPI(RouteProducts, s.createProduct))
	mux.Handle("PATCH /v1/products/{id}", s.serveAPI(RouteProducts, s.changeProduct))
	mux.Handle("DELETE /v1/products/{id}", s.serveAPI(RouteProducts, s.archiveProduct))
}

func (s *Sim) showProduct(id string) (any, error) {
	p, err := s.findProduct(id)
	if err != nil {
		return nil, err
	}

	return renderProduct(p), nil
}

func (s *Sim) searchProducts(c *call) (any, error) {
	found := slices.DeleteFunc(slices.Clone(s.products), func(p *product) bool {
		status := c.readQuery("status")

		return status != "" && (status == "archived") != p.isArchived
	})
	slices.Reverse(found)

	return listPage(c, 10, found, renderProduct)
}
