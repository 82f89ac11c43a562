package creem

import (
	"context"
	"net/url"

	"imagerun/internal/payments"
	"imagerun/internal/redact"
)

// metadataKey is the name by which our id of a checkout travels in its metadata, which its subscription has too.
const metadataKey = "checkout_id"

// CreateCheckout makes a checkout. One whose outcome is [payments.Unknown] may be made again: no person has the address of the first,
// which runs out unpaid.
func (c *Client) CreateCheckout(ctx context.Context, n payments.NewCheckout) (payments.Checkout, error) {
	body := struct {
		RequestID  string            `json:"request_id"`
		ProductID  string            `json:"product_id"`
		Customer   *customer         `json:"customer,omitempty"`
		SuccessURL string            `json:"success_url,omitempty"`
		Metadata   map[string]string `json:"metadata"`
	}{
		RequestID: n.CheckoutID.String(), ProductID: n.ProductID, SuccessURL: n.ReturnURL,
		Metadata: map[string]string{metadataKey: n.CheckoutID.String()},
	}
	if !n.Email.IsZero() {
		body.Customer = &customer{Email: n.Email.Reveal()}
	}

	var got checkout
	if err := c.postCall(ctx, payments.Unknown, "create_checkout", "/v1/checkouts", body, &got); err != nil {
		return payments.Checkout{}, err
	}

	if err := requireID(payments.Unknown, "", got); err != nil {
		return payments.Checkout{}, err
	}

	if !c.isPage(got.URL) {
		return payments.Checkout{}, newError(payments.Unknown, errPageURL)
	}

	return got.toCheckout(), nil
}

// FindCheckout reads a checkout. An address that no person may be sent to is left out: what was paid there is true all the same.
func (c *Client) FindCheckout(ctx context.Context, vendorID string) (payments.Checkout, error) {
	var got checkout
	if err := c.getEntity(ctx, "find_checkout", "/v1/checkouts", url.Values{"checkout_id": {vendorID}}, vendorID, &got); err != nil {
		return payments.Checkout{}, err
	}

	if !c.isPage(got.URL) {
		got.URL = ""
	}

	return got.toCheckout(), nil
}

// FindProduct reads a product.
func (c *Client) FindProduct(ctx context.Context, vendorID string) (payments.VendorProduct, error) {
	var got product
	if err := c.getEntity(ctx, "find_product", "/v1/products/"+vendorID, nil, vendorID, &got); err != nil {
		return payments.VendorProduct{}, err
	}

	return payments.VendorProduct{
		ID: got.ID, Name: got.Name, Status: got.Status, Price: got.Price, Currency: got.Currency,
		Recurring: got.BillingType == typeRecurring, Period: got.BillingPeriod,
	}, nil
}

// FindCustomer reads who paid.
func (c *Client) FindCustomer(ctx context.Context, vendorID string) (payments.Customer, error) {
	var got struct {
		identity
		customer
	}

	if err := c.getEntity(ctx, "find_customer", "/v1/customers", url.Values{"customer_id": {vendorID}}, vendorID, &got); err != nil {
		return payments.Customer{}, err
	}

	return payments.Customer{ID: got.ID, Email: redact.NewPersonal(got.Email)}, nil
}

// PortalURL makes an address where a customer sees their invoices and changes their card. It may be called again.
func (c *Client) PortalURL(ctx context.Context, customerID string) (string, error) {
	if !isVendorID(customerID) {
		return "", newError(payments.NotFound, errID)
	}

	var got struct {
		Link string `json:"customer_portal_link"`
	}

	body := map[string]string{"customer_id": customerID}
	if err := c.postCall(ctx, payments.Transient, "open_portal", "/v1/customers/billing", body, &got); err != nil {
		return "", err
	}

	if !c.isPage(got.Link) {
		return "", newError(payments.Transient, errPageURL)
	}

	return got.Link, nil
}
