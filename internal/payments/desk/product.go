package desk

import (
	"context"
	"fmt"
	"strings"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
)

// Seller is the vendor, as far as its products are concerned. Errors: [*payments.Error].
type Seller interface {
	FindProduct(ctx context.Context, id string) (payments.VendorProduct, error)
}

// CheckedProduct is a product of ours in one currency, compared with the vendor's.
type CheckedProduct struct {
	ID       string   `json:"id"`
	Currency string   `json:"currency"`
	Amount   int64    `json:"amount"`
	VendorID string   `json:"vendor_id"` // empty: it is not sold in this environment
	Retired  bool     `json:"retired"`
	Wrong    []string `json:"wrong"` // how it differs; none: it does not
}

// ListProducts lists every product of ours, without comparing it.
func ListProducts(shop *products.Products) (list []CheckedProduct) {
	for _, p := range shop.All() {
		for _, price := range p.Prices {
			list = append(list, CheckedProduct{p.ID, price.Currency, price.Amount, shop.VendorID(price), p.Retired, []string{}})
		}
	}

	return list
}

// CheckProducts compares every product of ours with the vendor's. What the vendor calls a product need not be what we do.
func CheckProducts(ctx context.Context, shop *products.Products, seller Seller) ([]CheckedProduct, error) {
	list := ListProducts(shop)

	for i, c := range list {
		if c.VendorID == "" {
			continue
		}

		seen, err := seller.FindProduct(ctx, c.VendorID)

		switch {
		case payments.ClassOf(err) == payments.NotFound:
			list[i].Wrong = append(c.Wrong, "missing")
		case err != nil:
			return list[:i], fmt.Errorf("read product %s: %w", c.VendorID, err)
		default:
			ours, _ := shop.Find(c.ID)
			list[i].Wrong = append(c.Wrong, compareProduct(ours, c, seen)...)
		}
	}

	return list, nil
}

// compareProduct says how the vendor's product is not ours.
func compareProduct(ours products.Product, c CheckedProduct, seen payments.VendorProduct) (wrong []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}

	check(ours.Retired || seen.Status == "active", "%s", seen.Status)
	check(seen.Price == c.Amount, "price %d, not %d", seen.Price, c.Amount)
	check(strings.EqualFold(seen.Currency, c.Currency), "currency %s, not %s", seen.Currency, c.Currency)
	check(seen.Recurring == (ours.Kind == products.Plan), "recurring %t, not %t", seen.Recurring, ours.Kind == products.Plan)
	check(seen.Period == periodOf(ours), "period %s, not %s", seen.Period, periodOf(ours))

	return wrong
}

// periodOf is the vendor's word for how often a product is paid.
func periodOf(p products.Product) string {
	switch {
	case p.Kind == products.Pack:
		return "once"
	case p.Interval == products.Year:
		return "every-year"
	default:
		return "every-month"
	}
}
