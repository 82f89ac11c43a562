// Package orders shows what a user paid: one order a payment. It changes nothing: what is in an order comes from the books.
package orders

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/internal/redact"
)

// ErrNotFound answers for an order that is not there, or another user's.
var ErrNotFound = fault.New(fault.NotFound, "not_found", "You have no such order.")

// RefundState is how much of a payment went back.
type RefundState string

// The states. One that is under way counts before what went back already, a dispute before both.
const (
	RefundNone     RefundState = "none"
	RefundPending  RefundState = "pending"
	RefundPartly   RefundState = "partly"
	RefundFully    RefundState = "fully"
	RefundDisputed RefundState = "disputed" // the bank took it back, or may
)

// Order is one payment, as its owner sees it.
type Order struct {
	ID             uuid.UUID
	Kind           products.Kind
	ProductID      string // empty: it was sold by none of ours
	Product        string // its name now; empty likewise
	Plan           string // which it gives; of a pack: none
	SubscriptionID *uuid.UUID
	TransactionID  string // the vendor's, which is on the person's bill; empty: not known yet
	Customer       string // the last letters of the vendor's id of the person; empty: not known
	Email          redact.Personal
	Money          payments.Money
	PaidAt         time.Time
	PeriodStart    *time.Time // of a plan
	PeriodEnd      *time.Time
	Credits        int64 // that it gave so far
	Refunded       int64 // of Money.Paid
	Refund         RefundState
	WaivedAt       *time.Time // when the right to withdraw was waived; nil: it was not
}

// Place is where an order stands in a list, or stood. The zero value is before the newest.
type Place struct {
	PaidAt time.Time
	ID     uuid.UUID
}

// Page is one page of a list, newest first.
type Page struct {
	Orders  []Order
	HasMore bool
}
