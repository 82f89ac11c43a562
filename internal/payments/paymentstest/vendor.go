package paymentstest

import (
	"context"
	"errors"
	"sync"

	"imagerun/internal/payments"
	"imagerun/internal/redact"
)

// Vendor is one that does as it is told. The zero value knows nothing, and does what it is asked for.
type Vendor struct {
	// During is called in each call that changes something, before it happens; nil: nothing is.
	During func()
	// Email is the address of every customer.
	Email string

	mu            sync.Mutex // guards all below
	subscriptions map[string]payments.Subscription
	transactions  map[string]payments.Transaction
	calls         []string
	next          *plannedAnswer
}

// plannedAnswer is how the next call that changes something is answered.
type plannedAnswer struct {
	class payments.Class
	done  bool
}

// Fail has the next call that changes something fail, and not happen.
func (v *Vendor) Fail(class payments.Class) { v.planAnswer(plannedAnswer{class, false}) }

// LoseAnswer has the next call that changes something happen, and its answer get lost.
func (v *Vendor) LoseAnswer() { v.planAnswer(plannedAnswer{payments.Unknown, true}) }

func (v *Vendor) planAnswer(a plannedAnswer) {
	v.mu.Lock()
	defer v.mu.Unlock()

	v.next = &a
}

// PutSubscription has the vendor know a subscription.
func (v *Vendor) PutSubscription(s payments.Subscription) {
	v.mu.Lock()
	defer v.mu.Unlock()

	if v.subscriptions == nil {
		v.subscriptions = map[string]payments.Subscription{}
	}

	v.subscriptions[s.ID] = s
}

// PutTransaction has the vendor know a payment.
func (v *Vendor) PutTransaction(t payments.Transaction) {
	v.mu.Lock()
	defer v.mu.Unlock()

	if v.transactions == nil {
		v.transactions = map[string]payments.Transaction{}
	}

	v.transactions[t.ID] = t
}

// Calls returns which calls that change something came, in their order.
func (v *Vendor) Calls() []string {
	v.mu.Lock()
	defer v.mu.Unlock()

	return append([]string(nil), v.calls...)
}

// FindSubscription reads one.
func (v *Vendor) FindSubscription(_ context.Context, id string) (payments.Subscription, error) {
	v.mu.Lock()
	defer v.mu.Unlock()

	s, ok := v.subscriptions[id]
	if !ok {
		return s, failure(payments.NotFound)
	}

	return s, nil
}

// FindTransaction reads one.
func (v *Vendor) FindTransaction(_ context.Context, id string) (payments.Transaction, error) {
	v.mu.Lock()
	defer v.mu.Unlock()

	t, ok := v.transactions[id]
	if !ok {
		return t, failure(payments.NotFound)
	}

	return t, nil
}

// CancelSubscription has one end with its period.
func (v *Vendor) CancelSubscription(_ context.Context, id string) (payments.Subscription, error) {
	return v.changeSubscription("cancel", id, func(s *payments.Subscription) { s.Status = payments.SubscriptionScheduled })
}

// ResumeSubscription has one go on.
func (v *Vendor) ResumeSubscription(_ context.Context, id string) (payments.Subscription, error) {
	return v.changeSubscription("resume", id, func(s *payments.Subscription) { s.Status = payments.SubscriptionActive })
}

// ChangeSubscription gives one another product.
func (v *Vendor) ChangeSubscription(_ context.Context, id, productID string, now bool) (payments.Subscription, error) {
	name := "change later " + productID
	if now {
		name = "change now " + productID
	}

	return v.changeSubscription(name, id, func(s *payments.Subscription) { s.ProductID = productID })
}

func (v *Vendor) changeSubscription(call, id string, change func(*payments.Subscription)) (payments.Subscription, error) {
	v.mu.Lock()
	defer v.mu.Unlock()

	s, ok := v.subscriptions[id]
	if !ok {
		return s, failure(payments.NotFound)
	}

	before := s
	change(&s)

	err := v.answer(call, func() { v.subscriptions[id] = s })
	if err != nil {
		return before, err
	}

	return s, nil
}

// Refund gives a whole payment back.
func (v *Vendor) Refund(_ context.Context, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()

	t, ok := v.transactions[id]
	if !ok {
		return failure(payments.NotFound)
	}

	return v.answer("refund", func() {
		t.Refunded = t.Money.Paid
		v.transactions[id] = t
	})
}

// FindCustomer reads one, whose address is that of [Vendor.Email].
func (v *Vendor) FindCustomer(_ context.Context, id string) (payments.Customer, error) {
	return payments.Customer{ID: id, Email: redact.NewPersonal(v.Email)}, nil
}

// PortalURL returns a page for a customer.
func (v *Vendor) PortalURL(_ context.Context, customerID string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()

	if err := v.answer("portal", func() {}); err != nil {
		return "", err
	}

	return "https://portal.test/" + customerID, nil
}

// answer answers a call as it was planned.
func (v *Vendor) answer(call string, do func()) error {
	if v.During != nil {
		v.During()
	}

	v.calls = append(v.calls, call)
	planned := v.next
	v.next = nil

	if planned == nil || planned.done {
		do()
	}

	if planned == nil {
		return nil
	}

	return failure(planned.class)
}

func failure(class payments.Class) error {
	return &payments.Error{Class: class, Cause: errors.New("told to")}
}
