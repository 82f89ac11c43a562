package payments

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/redact"
)

// CheckoutStatus is where a checkout is at the vendor.
type CheckoutStatus string

// The statuses. What the vendor may call otherwise is CheckoutOpen.
const (
	CheckoutOpen      CheckoutStatus = "open"
	CheckoutCompleted CheckoutStatus = "completed"
	CheckoutExpired   CheckoutStatus = "expired"
)

// Checkout is what the vendor says of one.
type Checkout struct {
	ID         string
	Status     CheckoutStatus
	URL        string    // where the person pays; personal: never logged
	CheckoutID uuid.UUID // ours, which was sent with it; zero: not said
	Order      *Order    // nil: nothing was paid
	// SubscriptionID is the vendor's; empty: there is none.
	SubscriptionID string
	Customer       Customer
}

// Customer is who paid, as the vendor knows them.
type Customer struct {
	ID    string
	Email redact.Personal
}

// Order is what the vendor says of one that was placed.
type Order struct {
	ID            string
	ProductID     string // the vendor's
	CustomerID    string
	TransactionID string // empty: not said
	Recurring     bool   // it begins a subscription
	Paid          bool
	Money         Money
	CreatedAt     time.Time
}

// Money is an amount in the currency's minor unit, as 1000 for 10.00.
type Money struct {
	Currency string // EUR, USD
	Net      int64  // before tax
	Tax      int64  // zero: none, or not said
	Paid     int64  // with tax and less discounts
}

// TransactionStatus is what became of a payment.
type TransactionStatus string

// The statuses. What the vendor may call otherwise is TransactionPending.
const (
	TransactionPending     TransactionStatus = "pending"
	TransactionPaid        TransactionStatus = "paid" // part or all of it may have been refunded
	TransactionChargedBack TransactionStatus = "charged_back"
	TransactionFailed      TransactionStatus = "failed"
)

// Transaction is one payment as the vendor has it.
type Transaction struct {
	ID             string
	OrderID        string // empty: not said
	SubscriptionID string // empty: of no subscription
	CustomerID     string
	Status         TransactionStatus
	Money          Money
	Refunded       int64     // of Money.Paid
	PeriodStart    time.Time // zero: of no period
	PeriodEnd      time.Time
	CreatedAt      time.Time
}

// SubscriptionStatus is where a subscription is at the vendor.
type SubscriptionStatus string

// The statuses. Only the canceled one is final. What the vendor may call otherwise is SubscriptionUnknown.
const (
	SubscriptionUnknown   SubscriptionStatus = "unknown"
	SubscriptionActive    SubscriptionStatus = "active"
	SubscriptionTrialing  SubscriptionStatus = "trialing"
	SubscriptionPaused    SubscriptionStatus = "paused"
	SubscriptionPastDue   SubscriptionStatus = "past_due"
	SubscriptionUnpaid    SubscriptionStatus = "unpaid"
	SubscriptionScheduled SubscriptionStatus = "scheduled_cancel"
	SubscriptionExpired   SubscriptionStatus = "expired"
	SubscriptionCanceled  SubscriptionStatus = "canceled"
)

// Subscription is what the vendor says of one.
type Subscription struct {
	ID                string
	Status            SubscriptionStatus
	ProductID         string // the vendor's
	Customer          Customer
	CheckoutID        uuid.UUID // ours, of the checkout that began it; zero: not said
	LastTransactionID string
	PeriodStart       time.Time
	PeriodEnd         time.Time
	CanceledAt        time.Time // zero: it is not
	UpdatedAt         time.Time
}

// Page is one page of a list, whose order and boundaries may move while it is read.
type Page[T any] struct {
	Items []T
	Next  int // the number of the page after it; zero: it is the last
}

// TransactionFilter narrows a list of transactions to those that have all of it; empty: any.
type TransactionFilter struct {
	CustomerID string
	OrderID    string
	ProductID  string
}

// VendorProduct is what the vendor says of a product of ours.
type VendorProduct struct {
	ID        string
	Name      string
	Status    string // the vendor's word: active, archived
	Price     int64  // minor units
	Currency  string
	Recurring bool   // it is a subscription
	Period    string // the vendor's word: every-month, every-year, once
}

// FeedEvent is an event that the vendor holds until it is acknowledged.
type FeedEvent struct {
	ID   string
	Type string
	Body []byte // as a webhook would bring it
}

// NewCheckout is what a checkout is made of.
type NewCheckout struct {
	CheckoutID uuid.UUID
	ProductID  string // the vendor's
	Email      redact.Personal
	ReturnURL  string
}

// Class sorts what can go wrong with a call of the vendor by what to do about it.
type Class string

// The classes.
const (
	NotFound  Class = "not_found" // the vendor knows no such thing
	Rejected  Class = "rejected"  // final: the vendor refuses this
	Transient Class = "transient" // did not happen: try again
	Unknown   Class = "unknown"   // may have happened: find out before doing it again
	Account   Class = "account"   // our key: alarm operators
)

// Error is any failure of the vendor. Its text names no person, no address and no secret.
type Error struct {
	Class Class
	Cause error // for the log
}

// Error says which class it is of.
func (e *Error) Error() string { return "payment vendor: " + string(e.Class) + ": " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClassOf returns the class of a vendor's failure; empty: it is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}

	return ""
}

// Hint is what a webhook is about: where to look. Which ids it has depends on its type.
type Hint struct {
	CheckoutID     uuid.UUID // ours
	VendorCheckout string    // the vendor's id of the checkout
	SubscriptionID string
	OrderID        string
	TransactionID  string
	// RefundPending says that a refund is under way whose end no webhook will tell.
	RefundPending bool
}
