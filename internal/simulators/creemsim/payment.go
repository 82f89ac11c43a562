package creemsim

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
)

// Paid is what a paid checkout became.
type Paid struct {
	// ReturnURL is where the buyer is sent: the success URL with the signed parameters. Empty: there is no success URL.
	ReturnURL      string `json:"return_url"`
	CheckoutID     string `json:"checkout_id"`
	OrderID        string `json:"order_id"`
	TransactionID  string `json:"transaction_id,omitempty"` // empty: a trial has begun
	CustomerID     string `json:"customer_id"`
	SubscriptionID string `json:"subscription_id,omitempty"` // empty: bought once
	ProductID      string `json:"product_id"`
	RequestID      string `json:"request_id,omitempty"`
}

// PayCheckout pays a checkout, as a buyer who has filled in what it asks for. One that names nobody is paid by
// buyer@example.com.
func (s *Sim) PayCheckout(id string) (Paid, error) {
	var paid Paid

	err := s.changeCheckout(id, func(c *checkout) error {
		for i := range c.fields {
			c.fields[i].value = "simulated"
		}

		paid = s.completeCheckout(c, c.email)

		return nil
	})

	return paid, err
}

// DeclineCheckout tries to pay with a card that is declined. The checkout stays open.
func (s *Sim) DeclineCheckout(id string) error {
	return s.changeCheckout(id, func(c *checkout) error {
		s.declineCheckout(c)

		return nil
	})
}

// AbandonCheckout ends a checkout as if its time had run out. Nothing tells of it.
func (s *Sim) AbandonCheckout(id string) error {
	return s.changeCheckout(id, func(c *checkout) error {
		c.expire()

		return nil
	})
}

func (s *Sim) declineCheckout(c *checkout) {
	c.note = "Your card was declined. Please try another one."
	s.count.Declined++
}

// changeCheckout does something with a checkout that is open.
func (s *Sim) changeCheckout(id string, change func(*checkout) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	c, err := s.findCheckout(id)
	if err != nil {
		return err
	}

	if c.status != checkoutPending {
		return fmt.Errorf("the checkout is %s", c.status)
	}

	err = change(c)
	s.Clock.Advance()

	return err
}

// completeCheckout pays an open checkout: its order, its transaction, its subscription, and the events that tell
// of them. The caller holds mu.
func (s *Sim) completeCheckout(c *checkout, email string) Paid {
	now := s.Clock.Now()

	if c.customer == nil {
		c.customer = s.addCustomer(cmp.Or(email, "buyer@example.com"), cmp.Or(c.name, "Simulated Buyer"), now)
	}

	if c.discount != nil {
		c.discount.redeemed++
	}

	c.status, c.note = checkoutCompleted, ""
	s.count.Paid++

	if c.product.BillingType == BillingRecurring {
		s.beginSubscription(c, now)
	} else {
		c.order = s.addOrder(c, c.computePrice(), now)
		c.order.first = s.addTransaction(transaction{order: c.order, checkout: c, price: c.order.price, status: transactionPaid, created: now})
		s.emit(now, noticeOfCheckout(c))
	}

	return s.describePaid(c)
}

func (s *Sim) describePaid(c *checkout) Paid {
	paid := Paid{CheckoutID: c.id, OrderID: c.order.id, CustomerID: c.customer.id, ProductID: c.product.ID, RequestID: c.requestID}

	if c.order.first != nil {
		paid.TransactionID = c.order.first.id
	}

	if c.subscription != nil {
		paid.SubscriptionID = c.subscription.id
	}

	target := c.successURL
	if target == "" {
		target = c.product.SuccessURL
	}

	paid.ReturnURL, _ = paid.signURL(target, s.opts.APIKey)

	return paid
}

// signURL adds the parameters of the return to a URL, and their signature.
func (p Paid) signURL(target, apiKey string) (string, error) {
	u, err := url.Parse(target)
	if target == "" || err != nil {
		return "", errors.Join(errors.New("there is no URL to return to"), err)
	}

	query := u.RawQuery

	for _, parameter := range []struct{ name, value string }{
		{"request_id", p.RequestID}, {"checkout_id", p.CheckoutID}, {"order_id", p.OrderID}, {"customer_id", p.CustomerID},
		{"subscription_id", p.SubscriptionID}, {"product_id", p.ProductID},
	} {
		if parameter.value != "" {
			query = appendParameter(query, parameter.name, parameter.value)
		}
	}

	u.RawQuery = appendParameter(query, "signature", signQuery(query, apiKey))

	return u.String(), nil
}

// noticeOfCheckout is the event of a paid checkout.
func noticeOfCheckout(c *checkout) notice {
	return notice{"checkout.completed", renderCompleted(c)}
}
