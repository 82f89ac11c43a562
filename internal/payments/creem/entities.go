package creem

import (
	"cmp"
	"strings"

	"imagerun/internal/payments"
	"imagerun/internal/redact"
)

// Words of Creem's, as normalizeWord has them.
const (
	typeRecurring = "recurring"
	wordCanceled  = "canceled"
)

type product struct {
	identity

	Name          string `json:"name"`
	Status        string `json:"status"`
	Price         int64  `json:"price"`
	Currency      string `json:"currency"`
	BillingType   string `json:"billing_type"`
	BillingPeriod string `json:"billing_period"`
}

type customer struct {
	Email string `json:"email"`
}

func toCustomer(u union[customer]) payments.Customer {
	return payments.Customer{ID: u.ID, Email: redact.NewPersonal(u.getWhole().Email)}
}

// amounts are what is said of the money of an order or a transaction.
type amounts struct {
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
	Discount int64  `json:"discount_amount"`
	Tax      int64  `json:"tax_amount"`
	Due      *int64 `json:"amount_due"`
	Paid     *int64 `json:"amount_paid"`
}

// toMoney takes what was paid for what is true: the amount has the tax in it or not, as the product's tax mode is.
func (a amounts) toMoney() payments.Money {
	m := payments.Money{Currency: strings.ToUpper(a.Currency), Net: a.Amount - a.Discount, Tax: a.Tax}
	m.Paid = m.Net + m.Tax

	for _, said := range []*int64{a.Due, a.Paid} {
		if said != nil {
			m.Paid = *said
		}
	}

	if m.Paid > 0 {
		m.Net = m.Paid - m.Tax
	}

	return m
}

type order struct {
	amounts

	Product     union[struct{}] `json:"product"`
	Customer    union[struct{}] `json:"customer"`
	Transaction union[struct{}] `json:"transaction"`
	Status      string          `json:"status"`
	Type        string          `json:"type"`
	CreatedAt   moment          `json:"created_at"`
}

type checkout struct {
	identity

	Status       string          `json:"status"`
	RequestID    string          `json:"request_id"`
	URL          string          `json:"checkout_url"`
	Product      union[struct{}] `json:"product"`
	Order        union[order]    `json:"order"`
	Subscription union[struct{}] `json:"subscription"`
	Customer     union[customer] `json:"customer"`
	Metadata     metadata        `json:"metadata"`
}

func (c checkout) toCheckout() payments.Checkout {
	out := payments.Checkout{
		ID: c.ID, Status: payments.CheckoutOpen, URL: c.URL,
		CheckoutID: cmp.Or(c.Metadata.CheckoutID, toCheckoutID(c.RequestID)),
		Order:      c.toOrder(), SubscriptionID: c.Subscription.ID, Customer: toCustomer(c.Customer),
	}

	if s := payments.CheckoutStatus(c.Status); s == payments.CheckoutCompleted || s == payments.CheckoutExpired {
		out.Status = s
	}

	if out.Order != nil {
		out.Customer.ID = cmp.Or(out.Customer.ID, out.Order.CustomerID)
	}

	return out
}

// toOrder returns the order; nil: there is none. Of one that is given by its id nothing else is known, nor that it was paid.
func (c checkout) toOrder() *payments.Order {
	if c.Order.ID == "" {
		return nil
	}

	out := &payments.Order{ID: c.Order.ID, ProductID: c.Product.ID, CustomerID: c.Customer.ID, Recurring: c.Subscription.ID != ""}

	if o := c.Order.Whole; o != nil {
		out.ProductID, out.CustomerID = cmp.Or(o.Product.ID, out.ProductID), cmp.Or(o.Customer.ID, out.CustomerID)
		out.TransactionID, out.Paid, out.Money, out.CreatedAt = o.Transaction.ID, o.Status == "paid", o.toMoney(), o.CreatedAt.Time
		out.Recurring = out.Recurring || o.Type == typeRecurring
	}

	return out
}

type transaction struct {
	identity
	amounts

	Order        union[struct{}] `json:"order"`
	Subscription union[struct{}] `json:"subscription"`
	Customer     union[struct{}] `json:"customer"`
	Status       string          `json:"status"`
	Refunded     *int64          `json:"refunded_amount"`
	PeriodStart  moment          `json:"period_start"`
	PeriodEnd    moment          `json:"period_end"`
	CreatedAt    moment          `json:"created_at"`
}

func (t transaction) toTransaction() payments.Transaction {
	out := payments.Transaction{
		ID: t.ID, OrderID: t.Order.ID, SubscriptionID: t.Subscription.ID, CustomerID: t.Customer.ID,
		Status: payments.TransactionPending, Money: t.toMoney(),
		PeriodStart: t.PeriodStart.Time, PeriodEnd: t.PeriodEnd.Time, CreatedAt: t.CreatedAt.Time,
	}

	status := normalizeWord(t.Status)

	switch status {
	case "paid", "refunded", "partialrefund", "partialrefunded", "partiallyrefunded":
		out.Status = payments.TransactionPaid
	case "chargedback", "chargeback":
		out.Status = payments.TransactionChargedBack
	case "uncollectible", "declined", wordCanceled, "void":
		out.Status = payments.TransactionFailed
	}

	switch {
	// The word is clearer than the amount, which may be left out, not be there yet, or have no tax in it.
	case status == "refunded":
		out.Refunded = out.Money.Paid
	case t.Refunded != nil:
		out.Refunded = max(0, min(*t.Refunded, out.Money.Paid))
	}

	return out
}

type subscription struct {
	identity

	Product           union[struct{}] `json:"product"`
	Customer          union[customer] `json:"customer"`
	Status            string          `json:"status"`
	LastTransactionID string          `json:"last_transaction_id"`
	LastTransaction   union[struct{}] `json:"last_transaction"`
	PeriodStart       moment          `json:"current_period_start_date"`
	PeriodEnd         moment          `json:"current_period_end_date"`
	CanceledAt        moment          `json:"canceled_at"`
	UpdatedAt         moment          `json:"updated_at"`
	Metadata          metadata        `json:"metadata"`
}

func (s subscription) toSubscription() payments.Subscription {
	out := payments.Subscription{
		ID: s.ID, Status: toSubscriptionStatus(s.Status), ProductID: s.Product.ID, Customer: toCustomer(s.Customer),
		CheckoutID: s.Metadata.CheckoutID, LastTransactionID: cmp.Or(s.LastTransactionID, s.LastTransaction.ID),
		PeriodStart: s.PeriodStart.Time, PeriodEnd: s.PeriodEnd.Time, UpdatedAt: s.UpdatedAt.Time,
	}

	// Creem's sample of an active one has a time here too: the status decides.
	if out.Status == payments.SubscriptionCanceled {
		out.CanceledAt = s.CanceledAt.Time
	}

	return out
}

func toSubscriptionStatus(word string) payments.SubscriptionStatus {
	switch s := payments.SubscriptionStatus(word); s {
	case payments.SubscriptionActive, payments.SubscriptionTrialing, payments.SubscriptionPaused, payments.SubscriptionPastDue,
		payments.SubscriptionUnpaid, payments.SubscriptionScheduled, payments.SubscriptionExpired, payments.SubscriptionCanceled:
		return s
	default:
		return payments.SubscriptionUnknown
	}
}
