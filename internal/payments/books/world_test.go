package books_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/internal/redact"
)

// world is the vendor: what people did there, whether or not we were told.
type world struct {
	mu            sync.Mutex
	now           *clocktest.Clock
	products      *products.Products
	checkouts     map[string]*payments.Checkout
	subscriptions map[string]*payments.Subscription
	transactions  []payments.Transaction // the newest first
	pageSize      int
	n             int
	away          error  // what every call answers
	onFind        func() // called once, in the next call, after what it answers was read
	calls         int
}

var errAway = &payments.Error{Class: payments.Transient, Cause: errors.New("the vendor is away")}

func newWorld(now *clocktest.Clock, sold *products.Products) *world {
	return &world{now: now, products: sold, checkouts: map[string]*payments.Checkout{}, subscriptions: map[string]*payments.Subscription{}, pageSize: 3}
}

func (w *world) id(prefix string) string {
	w.n++

	return fmt.Sprintf("%s_%012d", prefix, w.n)
}

func (w *world) vendorProduct(id string) string {
	p, _ := w.products.Find(id)
	price, _ := p.PriceIn("EUR")

	return w.products.VendorID(price)
}

// open makes a checkout there.
func (w *world) open(ours uuid.UUID) string {
	w.mu.Lock()
	defer w.mu.Unlock()

	id := w.id("ch")
	w.checkouts[id] = &payments.Checkout{ID: id, Status: payments.CheckoutOpen, CheckoutID: ours}

	return id
}

// pay has a person pay a checkout, and returns the payment.
func (w *world) pay(checkout, product string) payments.Transaction {
	w.mu.Lock()
	defer w.mu.Unlock()

	c := w.checkouts[checkout]
	p, _ := w.products.Find(product)
	now := w.now.Now()
	c.Status, c.Customer = payments.CheckoutCompleted, payments.Customer{ID: w.id("cust"), Email: redact.NewPersonal("ada@example.com")}
	t := w.charge(p, c.Customer.ID)
	t.OrderID = w.id("ord")

	c.Order = &payments.Order{
		ID: t.OrderID, ProductID: w.vendorProduct(product), CustomerID: c.Customer.ID, Recurring: p.Kind == products.Plan, Paid: true, Money: t.Money, CreatedAt: now,
	}

	if p.Kind == products.Plan {
		s := &payments.Subscription{
			ID: w.id("sub"), Status: payments.SubscriptionActive, ProductID: w.vendorProduct(product), Customer: c.Customer, CheckoutID: c.CheckoutID,
			PeriodStart: now, PeriodEnd: products.AddMonths(now, p.Interval.Months()), UpdatedAt: now, LastTransactionID: t.ID,
		}
		c.SubscriptionID, w.subscriptions[s.ID] = s.ID, s
		t.SubscriptionID, t.PeriodStart, t.PeriodEnd = s.ID, s.PeriodStart, s.PeriodEnd
	}

	w.transactions = slices.Insert(w.transactions, 0, t)

	return t
}

func (w *world) charge(p products.Product, customer string) payments.Transaction {
	price, _ := p.PriceIn("EUR")
	tax := price.Amount * 21 / 100

	return payments.Transaction{
		ID: w.id("tran"), CustomerID: customer, Status: payments.TransactionPaid, CreatedAt: w.now.Now(),
		Money: payments.Money{Currency: "EUR", Net: price.Amount, Tax: tax, Paid: price.Amount + tax},
	}
}

// renew has a subscription paid for its next period.
func (w *world) renew(subscription string) payments.Transaction {
	w.mu.Lock()
	defer w.mu.Unlock()

	s := w.subscriptions[subscription]
	p, _ := w.products.OfVendor(s.ProductID)
	t := w.charge(p, s.Customer.ID)
	s.PeriodStart, s.PeriodEnd = s.PeriodEnd, products.AddMonths(s.PeriodEnd, p.Interval.Months())
	s.LastTransactionID, s.UpdatedAt, s.Status = t.ID, w.now.Now(), payments.SubscriptionActive
	t.SubscriptionID, t.PeriodStart, t.PeriodEnd = s.ID, s.PeriodStart, s.PeriodEnd
	w.transactions = slices.Insert(w.transactions, 0, t)

	return t
}

// change edits a subscription.
func (w *world) change(subscription string, edit func(*payments.Subscription)) {
	w.mu.Lock()
	defer w.mu.Unlock()

	s := w.subscriptions[subscription]
	edit(s)
	s.UpdatedAt = w.now.Now()
}

// addPayment has something paid within a period.
func (w *world) addPayment(subscription string, paid int64) payments.Transaction {
	w.mu.Lock()
	defer w.mu.Unlock()

	s := w.subscriptions[subscription]
	t := payments.Transaction{
		ID: w.id("tran"), CustomerID: s.Customer.ID, SubscriptionID: s.ID, Status: payments.TransactionPaid, CreatedAt: w.now.Now(), PeriodStart: w.now.Now(), PeriodEnd: s.PeriodEnd,
		Money: payments.Money{Currency: "EUR", Net: paid, Paid: paid},
	}
	s.LastTransactionID = t.ID
	w.transactions = slices.Insert(w.transactions, 0, t)

	return t
}

// payBack gives money of a payment back; dispute: the person's bank took it.
func (w *world) payBack(transaction string, amount int64, dispute bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	for i := range w.transactions {
		if t := &w.transactions[i]; t.ID == transaction {
			t.Refunded += amount
			if dispute {
				t.Status = payments.TransactionChargedBack
			}
		}
	}
}

// answer reads something, as a call does.
func answer[T any](w *world, read func() (T, bool)) (t T, err error) {
	w.mu.Lock()
	w.calls++
	t, ok := read()
	hook := w.onFind
	w.onFind = nil
	err = w.away
	w.mu.Unlock()

	if hook != nil {
		hook()
	}

	if err == nil && !ok {
		err = &payments.Error{Class: payments.NotFound, Cause: errors.New("there is none")}
	}

	return t, err
}

func (w *world) FindCheckout(_ context.Context, id string) (payments.Checkout, error) {
	return answer(w, func() (c payments.Checkout, ok bool) {
		if found := w.checkouts[id]; found != nil {
			return *found, true
		}

		return c, false
	})
}

func (w *world) FindSubscription(_ context.Context, id string) (payments.Subscription, error) {
	return answer(w, func() (s payments.Subscription, ok bool) {
		if found := w.subscriptions[id]; found != nil {
			return *found, true
		}

		return s, false
	})
}

func (w *world) FindTransaction(_ context.Context, id string) (payments.Transaction, error) {
	return answer(w, func() (t payments.Transaction, ok bool) {
		for _, t := range w.transactions {
			if t.ID == id {
				return t, true
			}
		}

		return t, false
	})
}

func (w *world) FindCustomer(_ context.Context, id string) (payments.Customer, error) {
	return payments.Customer{ID: id, Email: redact.NewPersonal("ada@example.com")}, nil
}

func (w *world) ListTransactions(_ context.Context, f payments.TransactionFilter, page int) (payments.Page[payments.Transaction], error) {
	return answer(w, func() (payments.Page[payments.Transaction], bool) {
		var all []payments.Transaction

		for _, t := range w.transactions {
			if (f.CustomerID == "" || t.CustomerID == f.CustomerID) && (f.OrderID == "" || t.OrderID == f.OrderID) {
				all = append(all, t)
			}
		}

		return cut(all, page, w.pageSize), true
	})
}

func (w *world) ListSubscriptions(_ context.Context, page int) (payments.Page[payments.Subscription], error) {
	return answer(w, func() (payments.Page[payments.Subscription], bool) {
		var all []payments.Subscription
		for _, s := range w.subscriptions {
			all = append(all, *s)
		}

		slices.SortFunc(all, func(a, b payments.Subscription) int { return b.UpdatedAt.Compare(a.UpdatedAt) })

		return cut(all, page, w.pageSize), true
	})
}

func cut[T any](all []T, page, size int) payments.Page[T] {
	from := min((page-1)*size, len(all))
	to := min(from+size, len(all))
	p := payments.Page[T]{Items: all[from:to]}

	if to < len(all) {
		p.Next = page + 1
	}

	return p
}
