package creemsim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// The words of discounts.
const (
	discountFixed      = "fixed"
	discountPercentage = "percentage"
	durationForever    = "forever"
	durationOnce       = "once"
	durationRepeating  = "repeating"
)

// discount makes products cheaper for those who have its code.
type discount struct {
	discountFields

	id        string
	isDeleted bool
	redeemed  int
	created   time.Time
}

// discountFields are what create says of a discount.
type discountFields struct {
	Name           string    `json:"name"`
	Code           string    `json:"code"`
	Type           string    `json:"type"`
	Amount         int64     `json:"amount"`
	Currency       string    `json:"currency"`
	Percentage     int64     `json:"percentage"`
	ExpiryDate     time.Time `json:"expiry_date"`
	MaxRedemptions int       `json:"max_redemptions"`
	Duration       string    `json:"duration"`
	Months         int       `json:"duration_in_months"`
	Products       []string  `json:"applies_to_products"`
}

// readStatus is what a discount is now.
func (d *discount) readStatus(now time.Time) string {
	switch {
	case d.isDeleted:
		return "deleted"
	case !d.ExpiryDate.IsZero() && now.After(d.ExpiryDate):
		return "expired"
	default:
		return "active"
	}
}

// cutPrice is how much cheaper a price gets.
func (d *discount) cutPrice(subTotal int64) int64 {
	if d.Type == discountPercentage {
		return divideRounded(subTotal*d.Percentage, 100)
	}

	return min(d.Amount, subTotal)
}

// coversPeriod reports whether the nth period of a subscription, counted from zero, is cheaper too.
func (d *discount) coversPeriod(n int, period string) bool {
	switch d.Duration {
	case durationForever:
		return true
	case durationRepeating:
		return n*max(1, billingMonths()[period]) < d.Months
	default:
		return n == 0
	}
}

// findDiscount returns the discount that a code gives for a product.
func (s *Sim) findDiscount(code string, p *product, now time.Time) (*discount, error) {
	for _, d := range s.discounts {
		isLeft := d.MaxRedemptions == 0 || d.redeemed < d.MaxRedemptions
		if strings.EqualFold(d.Code, code) && d.readStatus(now) == "active" && slices.Contains(d.Products, p.ID) && isLeft {
			return d, nil
		}
	}

	return nil, badRequest("Discount code is not valid")
}

func renderDiscount(d *discount, now time.Time) object {
	out := object{
		"id": d.id, "mode": modeTest, "object": "discount", "status": d.readStatus(now), "name": d.Name, "code": d.Code,
		"type": d.Type, "duration": d.Duration, "applies_to_products": d.Products, "redeem_count": d.redeemed,
	}

	if d.Type == discountPercentage {
		out["percentage"] = d.Percentage
	} else {
		out["amount"], out["currency"] = d.Amount, d.Currency
	}

	if !d.ExpiryDate.IsZero() {
		out["expiry_date"] = formatTime(d.ExpiryDate)
	}

	if d.MaxRedemptions > 0 {
		out["max_redemptions"] = d.MaxRedemptions
	}

	if d.Duration == durationRepeating {
		out["duration_in_months"] = d.Months
	}

	return out
}

// renderApplied is how checkouts and subscriptions tell of their discount.
func (d *discount) renderApplied() object {
	out := object{"id": d.id, "discountCode": d.Code, "name": d.Name, "type": d.Type, "amount": d.Amount, "duration": d.Duration}

	if d.Type == discountPercentage {
		out["amount"] = d.Percentage
	}

	if d.Duration == durationRepeating {
		out["durationInMonths"] = d.Months
	}

	return out
}

func (s *Sim) routeDiscounts(mux *http.ServeMux) {
	mux.Handle("POST /v1/discounts", s.serveAPI(RouteDiscounts, s.createDiscount))
	mux.Handle("GET /v1/discounts", s.serveAPI(RouteDiscounts, s.readDiscount))
	mux.Handle("GET /v1/discounts/search", s.serveAPI(RouteDiscounts, s.searchDiscounts))
	mux.Handle("DELETE /v1/discounts/{id}/delete", s.serveAPI(RouteDiscounts, s.deleteDiscount))
}

func (s *Sim) createDiscount(c *call) (any, error) {
	var in discountFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if in.Code == "" {
		in.Code = strings.ToUpper(s.newID("code")[5:13])
	}

	switch {
	case in.Name == "":
		return nil, badRequest("name must be a string")
	case in.Type == discountFixed && (in.Amount <= 0 || in.Currency == ""):
		return nil, badRequest("amount and currency are required for a fixed discount")
	case in.Type == discountPercentage && (in.Percentage < 1 || in.Percentage > 100):
		return nil, badRequest("percentage must be 1 to 100")
	case in.Type != discountFixed && in.Type != discountPercentage:
		return nil, badRequest("type must be one of the following values: percentage, fixed")
	case !slices.Contains([]string{durationForever, durationOnce, durationRepeating}, in.Duration):
		return nil, badRequest("duration must be one of the following values: forever, once, repeating")
	case slices.ContainsFunc(s.discounts, func(d *discount) bool { return !d.isDeleted && strings.EqualFold(d.Code, in.Code) }):
		return nil, badRequest("Discount code already exists")
	}

	d := &discount{discountFields: in, id: s.newID("dis"), created: c.now}
	s.discounts = append(s.discounts, d)

	return renderDiscount(d, c.now), nil
}

func (s *Sim) readDiscount(c *call) (any, error) {
	for _, d := range s.discounts {
		if id, code := c.readQuery("discount_id"), c.readQuery("discount_code"); id != "" && d.id == id || code != "" && strings.EqualFold(d.Code, code) {
			return renderDiscount(d, c.now), nil
		}
	}

	return nil, notFound("Discount not found")
}

func (s *Sim) searchDiscounts(c *call) (any, error) {
	found := newestFirst(s.discounts, func(d *discount) bool {
		status, kind, product := c.readQuery("status"), c.readQuery("type"), c.readQuery("product_id")

		return (status == "" || d.readStatus(c.now) == status) && (kind == "" || d.Type == kind) && (product == "" || slices.Contains(d.Products, product))
	})

	return listPage(c, 10, found, func(d *discount) object { return renderDiscount(d, c.now) })
}

func (s *Sim) deleteDiscount(c *call) (any, error) {
	for _, d := range s.discounts {
		if d.id == c.r.PathValue("id") {
			d.isDeleted = true

			return renderDiscount(d, c.now), nil
		}
	}

	return nil, notFound("Discount not found")
}
