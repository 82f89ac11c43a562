package desk

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/payments/refunds"
)

// Case is everything about a purchase, oldest first.
type Case struct {
	Checkouts     []Checkout     `json:"checkouts"`
	Subscriptions []Subscription `json:"subscriptions"`
	Orders        []Order        `json:"orders"`
	Changes       []Change       `json:"changes"`
	Refunds       []Refund       `json:"refunds"`
	Withdrawals   []Withdrawal   `json:"withdrawals"`
	Differences   []Difference   `json:"differences"`
	Events        []Event        `json:"events"` // webhooks of the last month that name it, newest first
}

// Checkout is a wish to buy.
type Checkout struct {
	ID         string     `json:"id"`
	VendorID   string     `json:"vendor_id"`
	Subject    uuid.UUID  `json:"subject"` // the person, as the ledger knows them
	ProductID  string     `json:"product_id"`
	Status     string     `json:"status"`
	Currency   string     `json:"currency"`
	Amount     int64      `json:"amount"` // before tax
	WaivedAt   *time.Time `json:"waived_at"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	EndedAt    *time.Time `json:"ended_at"`
	NextLookAt *time.Time `json:"next_look_at"`
}

// Subscription is one as the vendor had it when we last looked.
type Subscription struct {
	ID          string     `json:"id"`
	VendorID    string     `json:"vendor_id"`
	Subject     *uuid.UUID `json:"subject"` // null: it is not known whose it is
	ProductID   string     `json:"product_id"`
	Status      string     `json:"status"`
	PeriodStart *time.Time `json:"period_start"`
	PeriodEnd   *time.Time `json:"period_end"`
	CanceledAt  *time.Time `json:"canceled_at"`
	LookedAt    *time.Time `json:"looked_at"`
	NextLookAt  *time.Time `json:"next_look_at"`
}

// Order is one payment.
type Order struct {
	ID             string     `json:"id"`
	Code           string     `json:"support_code"`
	VendorID       string     `json:"vendor_id"`
	TransactionID  string     `json:"transaction_id"`
	SubscriptionID string     `json:"subscription_id,omitempty"`
	Subject        *uuid.UUID `json:"subject"`
	Kind           string     `json:"kind"`
	ProductID      string     `json:"product_id"`
	Product        string     `json:"product"` // its name now
	Customer       string     `json:"customer"`
	Currency       string     `json:"currency"`
	Net            int64      `json:"net"`
	Tax            int64      `json:"tax"`
	Paid           int64      `json:"paid"`
	PaidAt         time.Time  `json:"paid_at"`
	PeriodStart    *time.Time `json:"period_start"`
	PeriodEnd      *time.Time `json:"period_end"`
	Credits        int64      `json:"credits_given"`
	TakenBack      int64      `json:"credits_taken_back"`
	NextCreditsAt  *time.Time `json:"next_credits_at"`
	Refunded       int64      `json:"refunded"`
	RefundPending  bool       `json:"refund_pending"`
	Disputed       bool       `json:"disputed"`
	NextLookAt     *time.Time `json:"next_look_at"`

	creditsEach int64 // of one grant; zero: it is not known
}

// Change is a change of a subscription's product.
type Change struct {
	ID          uuid.UUID `json:"id"`
	FromProduct string    `json:"from_product"`
	ToProduct   string    `json:"to_product"`
	Credits     int64     `json:"credits"` // that it gives at once
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
}

// Refund is money that goes back.
type Refund struct {
	ID        uuid.UUID      `json:"id"`
	OrderID   string         `json:"order_id"`
	Amount    int64          `json:"amount"`
	Reason    refunds.Reason `json:"reason"`
	Actor     string         `json:"actor"`
	Status    refunds.Status `json:"status"`
	CreatedAt time.Time      `json:"created_at"`
	SentAt    *time.Time     `json:"sent_at"`
	EndedAt   *time.Time     `json:"ended_at"`
}

// Withdrawal is one from a contract.
type Withdrawal struct {
	ID         uuid.UUID `json:"id"`
	Number     int64     `json:"number"`
	OrderID    string    `json:"order_id"`
	RefundID   uuid.UUID `json:"refund_id"`
	Amount     int64     `json:"amount"`
	Credits    int64     `json:"credits"` // that it took back
	DeclaredAt time.Time `json:"declared_at"`
}

// Event is a webhook.
type Event struct {
	ID         uuid.UUID `json:"id"`
	Type       string    `json:"type"`
	State      string    `json:"state"`
	Code       string    `json:"code"`
	ReceivedAt time.Time `json:"received_at"`
}
