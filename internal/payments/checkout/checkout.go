package checkout

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/idempotency"
)

// The faults of this package.
var (
	ErrProduct     = fault.New(fault.Invalid, "product_not_sold", "We do not sell this product. GET /v1/products lists what we sell. Nothing was charged.")
	ErrCurrency    = fault.New(fault.Invalid, "currency_not_sold", "We do not sell this product in this currency. GET /v1/products lists its prices. Nothing was charged.")
	ErrSubscribed  = fault.New(fault.Conflict, "already_subscribed", "You have a subscription already. Change it to this product, or resume it if it is canceled. Nothing was charged.")
	ErrOpen        = fault.New(fault.Conflict, "checkout_open", "You have an open checkout of a plan. Pay at its address, or wait an hour and begin another. Nothing was charged.")
	ErrNotFound    = fault.New(fault.NotFound, "not_found", "You have no such checkout.")
	ErrUnavailable = fault.New(fault.Unavailable, "payments_unavailable", "The payment provider does not answer. Nothing was charged. Try again in a moment.").WithRetryAfter(30 * time.Second)
	ErrRefused     = fault.New(fault.Internal, "checkout_refused", "The payment provider does not sell this for us now. Nothing was charged, and we are told. Try again later.")
)

// OpenError is [ErrOpen], and says which checkout is open.
type OpenError struct{ ID uuid.UUID }

// Error is that of [ErrOpen].
func (e *OpenError) Error() string { return ErrOpen.Error() }

// Unwrap returns [ErrOpen].
func (e *OpenError) Unwrap() error { return ErrOpen }

// Status is where a checkout stands.
type Status string

// The statuses. The last three are final, but for what was paid at the last moment: then an expired one becomes completed.
const (
	StatusCreating  Status = "creating" // the vendor is being asked
	StatusOpen      Status = "open"     // it can be paid
	StatusCompleted Status = "completed"
	StatusExpired   Status = "expired"
	StatusFailed    Status = "failed" // the vendor made none
)

// Ended reports whether nothing more is expected of a checkout.
func (s Status) Ended() bool { return s != StatusCreating && s != StatusOpen }

// Request is what a user wants to buy.
type Request struct {
	ProductID string
	Currency  string
	Waive     bool // they said yes to [WaiverText]

	IdempotencyKey string // empty: none
	Fingerprint    []byte // of the request, which the key stands for
}

// Checkout is one, as its owner sees it.
type Checkout struct {
	ID        uuid.UUID
	Status    Status
	ProductID string
	Currency  string
	Amount    int64 // minor units, before tax
	URL       string
	WaivedAt  *time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   *time.Time
	OrderID   *uuid.UUID // what was paid; nil: nothing yet

	// Replay is the record of the request that it answers once more; nil: it is the first.
	Replay *idempotency.Record
}
