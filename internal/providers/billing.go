package providers

import (
	"context"
	"regexp"
	"time"
)

// MaxBilledRequests is how many requests a [BillingQuery] may name.
const MaxBilledRequests = 50

// BillingQuery says which billing events are asked for.
type BillingQuery struct {
	RequestIDs []string  // at most [MaxBilledRequests]; empty: of all requests
	From, To   time.Time // To does not belong to it; no further apart than the provider allows
	Cursor     string    // of the page before; empty: the first
}

// BillingEvent is what a provider charged for a request. One request may have several.
type BillingEvent struct {
	RequestID string
	Endpoint  string
	At        time.Time
	Units     string // a decimal number
	NanoUSD   int64  // after discounts
}

// BillingPage is a page of billing events.
type BillingPage struct {
	Events []BillingEvent
	Next   string // the cursor of the next page; empty: this is the last
}

// Biller tells what a provider charged. It is safe for concurrent use, makes one outside call, which changes nothing,
// and fails with an [Error].
type Biller interface {
	BillingEvents(ctx context.Context, q BillingQuery) (BillingPage, error)
}

var decimal = regexp.MustCompile(`^\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?$`)

// IsUnits reports whether a provider's word for units is a decimal number that is not negative.
func IsUnits(s string) bool { return decimal.MatchString(s) }
