// Package products says what is sold. Products are data: a new one is an entry of products.json.
//
// # Invariants
//
//   - A file of products is accepted whole or not at all, and the error lists every mistake.
//   - A product that was ever sold stays in the file: what is no longer sold is retired, so that what was paid for it is known.
package products

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"imagerun/internal/strictjson"
)

//go:embed products.json
var embedded []byte

// Kind says how a product is paid.
type Kind string

// The kinds.
const (
	Pack Kind = "pack" // once
	Plan Kind = "plan" // each interval, until it is canceled
)

// Interval is how long one payment of a plan lasts.
type Interval string

// The intervals.
const (
	Month Interval = "month"
	Year  Interval = "year"
)

// Months is how many months of credits one payment gives.
func (i Interval) Months() int {
	if i == Year {
		return 12
	}

	return 1
}

// Product is something that is sold.
type Product struct {
	ID          string   `json:"id"`
	Kind        Kind     `json:"kind"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Credits     int64    `json:"credits"`  // of a pack; of a plan: each month
	Plan        string   `json:"plan"`     // which plan it gives, of package plan; of a pack: none
	Rank        int      `json:"rank"`     // of plans: the better one has the higher
	Interval    Interval `json:"interval"` // of a plan
	// CreditMonths is how many months the credits last after they come. Zero: for ever.
	CreditMonths int     `json:"credit_months"`
	Prices       []Price `json:"prices"`  // one for each currency that it is sold in
	Retired      bool    `json:"retired"` // it is not sold any more
}

// Price is what a product costs in one currency, and what the vendor calls it there.
type Price struct {
	Currency string `json:"currency"` // EUR or USD: Creem has no other
	Amount   int64  `json:"amount"`   // minor units, before tax
	// VendorIDs are the vendor's id of the product, by environment of the vendor.
	VendorIDs map[Environment]string `json:"vendor_ids"`
}

// Environment is a world of the vendor's: what is in one is not in the other.
type Environment string

// The environments.
const (
	Test Environment = "test"
	Live Environment = "live"
)

// Expiry is when credits that come at a time expire; nil: never.
func (p Product) Expiry(at time.Time) *time.Time {
	if p.CreditMonths == 0 {
		return nil
	}

	t := AddMonths(at, p.CreditMonths)

	return &t
}

// PriceIn returns the price in a currency.
func (p Product) PriceIn(currency string) (Price, bool) {
	for _, price := range p.Prices {
		if price.Currency == currency {
			return price, true
		}
	}

	return Price{}, false
}

// Products is everything that is sold in one environment of the vendor. The zero value has none; Load makes one.
type Products struct {
	list []Product
	env  Environment
}

// Load reads and checks the products; nil data is the embedded ones. The error lists every mistake at once.
func Load(data []byte, env Environment) (*Products, error) {
	if data == nil {
		data = embedded
	}

	var file struct {
		Products []Product `json:"products"`
	}

	if err := strictjson.Decode(data, &file); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}

	var wrong []error

	ids, vendorIDs := map[string]bool{}, map[string]bool{}
	for _, p := range file.Products {
		for _, what := range p.mistakes(env, ids, vendorIDs) {
			wrong = append(wrong, fmt.Errorf("product %q: %s", p.ID, what))
		}
	}

	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("check products:\n%w", err)
	}

	return &Products{list: file.Products, env: env}, nil
}

// Sold returns what is sold now, in the order of the file.
func (p *Products) Sold() (sold []Product) {
	for _, one := range p.list {
		if !one.Retired {
			sold = append(sold, one)
		}
	}

	return sold
}

// All returns every product, the retired ones too.
func (p *Products) All() []Product { return p.list }

// Find returns the product of an id of ours, retired or not.
func (p *Products) Find(id string) (Product, bool) {
	for _, one := range p.list {
		if one.ID == id {
			return one, true
		}
	}

	return Product{}, false
}

// VendorID is what the vendor calls a price here; empty: it is not sold here.
func (p *Products) VendorID(price Price) string { return price.VendorIDs[p.env] }

// OfVendor returns the product of an id of the vendor's.
func (p *Products) OfVendor(vendorID string) (Product, bool) {
	for _, one := range p.list {
		for _, price := range one.Prices {
			if vendorID != "" && price.VendorIDs[p.env] == vendorID {
				return one, true
			}
		}
	}

	return Product{}, false
}

// PlanPaid returns the plan of which one payment is so much, before tax, for a period; false: none is, or several are.
func (p *Products) PlanPaid(currency string, net int64, start, end time.Time) (Product, bool) {
	const apart = 3 * 24 * time.Hour // by which two calendars may differ

	var found []Product

	for _, one := range p.list {
		price, ok := one.PriceIn(currency)
		if one.Kind == Plan && ok && price.Amount == net && AddMonths(start, one.Interval.Months()).Sub(end).Abs() < apart {
			found = append(found, one)
		}
	}

	if len(found) != 1 {
		return Product{}, false
	}

	return found[0], true
}

var isID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`).MatchString

// mistakes lists what is wrong with a product in an environment. It notes its names.
func (p Product) mistakes(env Environment, ids, vendorIDs map[string]bool) (wrong []string) {
	check := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, what)
		}
	}

	check(isID(p.ID), "the id is small letters, digits and hyphens, at most 40")
	check(!ids[p.ID], "the id is there twice")
	check(p.Name != "" && p.Description != "", "name and description are needed")
	check(p.Credits > 0 && p.Credits <= 1_000_000, "credits are 1 to 1,000,000")
	check(p.CreditMonths >= 0 && p.CreditMonths <= 120, "credit_months are 0 to 120")
	check(len(p.Prices) > 0, "a price is needed")

	switch p.Kind {
	case Pack:
		check(p.Plan == "" && p.Interval == "" && p.Rank == 0, "a pack has no plan, interval or rank")
	case Plan:
		check(p.Plan != "" && p.Rank > 0, "a plan needs plan and rank")
		check(p.Interval == Month || p.Interval == Year, "interval is month or year")
	default:
		check(false, "kind is pack or plan")
	}

	ids[p.ID] = true
	currencies := map[string]bool{}

	for _, price := range p.Prices {
		id := price.VendorIDs[env]

		check(price.Currency == "EUR" || price.Currency == "USD", "a currency is EUR or USD")
		check(!currencies[price.Currency], "a currency is there twice")
		check(price.Amount >= 100 && price.Amount < 100_000_000, "an amount is 100 to 99,999,999")
		check(!vendorIDs[id] || id == "", "a vendor's id is there twice")

		currencies[price.Currency], vendorIDs[id] = true, true
	}

	return wrong
}

// AddMonths is so many months after a time, at the same hour of the same day; a month without that day ends with its last.
// Count from the first, not from month to month: 31 January, 28 February, 31 March.
func AddMonths(t time.Time, months int) time.Time {
	t = t.UTC()
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()

	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
