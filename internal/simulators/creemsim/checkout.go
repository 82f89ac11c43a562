package creemsim

import (
	"encoding/json"
	"time"
)

// The states of a checkout.
const (
	checkoutPending   = "pending"
	checkoutCompleted = "completed"
	checkoutExpired   = "expired"
)

// checkoutLife is how long a checkout can be paid. Creem does not say: this is ours.
const checkoutLife = 24 * time.Hour

// checkout is a session in which something may be bought.
type checkout struct {
	id, url, status string
	requestID       string
	product         *product
	units           int
	customPrice     int64     // of a unit; 0: the product's
	discount        *discount // nil: none
	email, name     string    // that the page begins with
	customer        *customer // nil: not known before it is paid
	fields          []customField
	successURL      string
	metadata        json.RawMessage // nil: none
	order           *order          // nil: not paid
	subscription    *subscription   // nil: not paid, or bought once
	note            string          // what went wrong last, for the page
	created         time.Time
}

// checkoutRequest is what a client asks for.
type checkoutRequest struct {
	RequestID    string `json:"request_id"`
	ProductID    string `json:"product_id"`
	Units        *int   `json:"units"`
	CustomPrice  *int64 `json:"custom_price"`
	DiscountCode string `json:"discount_code"`
	Customer     struct {
		ID    string `json:"id"`
		Email string `json:"email"`
		Name  string `json:"name"`
	} `json:"customer"`
	CustomFields []customField   `json:"custom_fields"`
	SuccessURL   string          `json:"success_url"`
	Metadata     json.RawMessage `json:"metadata"`
}

// createCheckout makes a checkout. The same request_id twice makes two: Creem promises nothing else.
// https://docs.creem.io/api-reference/endpoint/create-checkout (read 2026-11)
func (s *Sim) createCheckout(c *call) (any, error) {
	var in checkoutRequest
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if in.ProductID == "" {
		return nil, badRequest("product_id must be a string")
	}

	p, err := s.findProduct(in.ProductID)
	if err != nil {
		return nil, err
	}

	if err := in.checkValues(p); err != nil {
		return nil, err
	}

	made := &checkout{
		id: s.newID("ch"), status: checkoutPending, requestID: in.RequestID, product: p, units: 1, email: in.Customer.Email, name: in.Customer.Name,
		fields: in.CustomFields, successURL: in.SuccessURL, metadata: in.Metadata, created: c.now,
	}
	made.url = s.Base(c.r) + "/checkout/" + made.id

	if in.Units != nil {
		made.units = *in.Units
	}

	if in.CustomPrice != nil {
		made.customPrice = *in.CustomPrice
	}

	if in.Customer.ID != "" {
		if made.customer, err = s.findCustomer(in.Customer.ID); err != nil {
			return nil, err
		}

		made.email = made.customer.email
	}

	if in.DiscountCode != "" {
		if made.discount, err = s.findDiscount(in.DiscountCode, p, c.now); err != nil {
			return nil, err
		}
	}

	s.checkouts = append(s.checkouts, made)
	s.count.Checkouts++
	s.Clock.At(c.now.Add(checkoutLife), made.expire)

	return renderCheckout(made), nil
}

// checkValues refuses what Creem refuses, all at once.
func (in *checkoutRequest) checkValues(p *product) error {
	var messages []string

	refuse := func(when bool, message string) {
		if when {
			messages = append(messages, message)
		}
	}
	refuse(p.isArchived, "product is archived")
	refuse(in.Units != nil && *in.Units < 1, "units must not be less than 1")
	refuse(in.CustomPrice != nil && p.BillingType != BillingOneTime, "custom_price is only supported for one-time products")
	refuse(in.CustomPrice != nil && (*in.CustomPrice < 100 || *in.CustomPrice > 99_999_999), "custom_price must be between 100 and 99999999")
	refuse(in.Customer.ID != "" && in.Customer.Email != "", "customer must have either id or email")
	refuse(len(in.CustomFields) > 3, "custom_fields must contain no more than 3 elements")

	for _, f := range in.CustomFields {
		refuse(f.Type != fieldText && f.Type != fieldCheckbox, "custom_fields.type must be one of the following values: text, checkbox")
		refuse(f.Key == "" || len(f.Key) > 200, "custom_fields.key must be 1 to 200 characters")
		refuse(f.Label == "" || len(f.Label) > 50, "custom_fields.label must be 1 to 50 characters")
	}

	if len(messages) > 0 {
		return badRequest(messages...)
	}

	return nil
}

// expire ends a checkout that was not paid.
func (c *checkout) expire() {
	if c.status == checkoutPending {
		c.status = checkoutExpired
	}
}

// computePrice is what the first payment costs.
func (c *checkout) computePrice() price {
	each := c.product.Price
	if c.customPrice > 0 {
		each = c.customPrice
	}

	return computePrice(c.product, each, c.units, c.discount)
}

func (s *Sim) findCheckout(id string) (*checkout, error) {
	for _, c := range s.checkouts {
		if c.id == id {
			return c, nil
		}
	}

	return nil, notFound("Checkout not found")
}

func (s *Sim) readCheckout(c *call) (any, error) {
	found, err := s.findCheckout(c.readQuery("checkout_id"))
	if err != nil {
		return nil, err
	}

	return renderCheckout(found), nil
}

// renderCheckout writes a checkout as the API does: product, customer and subscription by their ids.
func renderCheckout(c *checkout) object {
	out := object{
		"id": c.id, "mode": modeTest, "object": "checkout", "status": c.status, "product": c.product.ID, "units": c.units,
		"checkout_url": c.url, "custom_fields": renderFields(c.fields),
	}

	if c.requestID != "" {
		out["request_id"] = c.requestID
	}

	if c.customPrice > 0 {
		out["custom_price"] = c.customPrice
	}

	if c.successURL != "" {
		out["success_url"] = c.successURL
	}

	if c.metadata != nil {
		out["metadata"] = c.metadata
	}

	if c.discount != nil {
		out["discount"] = c.discount.renderApplied()
	}

	if c.customer != nil {
		out["customer"] = c.customer.id
	}

	if c.order != nil {
		out["order"] = renderOrder(c.order)
	}

	if c.subscription != nil {
		out["subscription"] = c.subscription.id
	}

	return out
}

// renderCompleted writes a checkout as its event does: product and customer whole, and the subscription with ids
// and without its transaction, which only subscription.paid tells.
func renderCompleted(c *checkout) object {
	out := renderCheckout(c)
	out["product"], out["customer"] = renderProduct(c.product), renderCustomer(c.customer)

	if c.subscription != nil {
		out["subscription"] = renderBegun(c.subscription)
	}

	return out
}
