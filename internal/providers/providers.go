// Package providers says what a maker of images is to us: something that takes a request, runs
// it in its own time and keeps the result for a while. internal/providers/fal is one.
//
// A provider is never waited for. Submit returns as soon as the request is accepted; after that
// the request is looked at by Poll (cheap), Fetch (the result, or why there is none) and
// Download (one image), and ended by Cancel and Erase. Every call is one attempt: retrying is
// the job's business, never the client's, because a submit whose outcome is unknown must not be
// sent twice.
package providers

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/redact"
)

// Request is what is sent to a provider.
type Request struct {
	AttemptID    uuid.UUID       // ours, for the provider's tags
	Endpoint     string          // the provider's model id, such as "fal-ai/flux/dev"
	Input        json.RawMessage // the model's input object; personal: never logged
	CallbackURL  string          // where to post the outcome; empty: none, we poll
	StartTimeout time.Duration   // give up when not started within this; zero: no limit
	KeepFor      time.Duration   // how long the provider should keep the output files
}

// Ticket identifies an accepted request. The URLs are the provider's own and are stored with
// the attempt; only RequestID is known when a callback or [Provider.Find] identified it.
type Ticket struct {
	Endpoint    string
	RequestID   string
	StatusURL   string
	ResponseURL string
	CancelURL   string
}

// State is where a request is at the provider.
type State string

// The states. A failed or cancelled request is Done too: Fetch tells which.
const (
	StateQueued  State = "queued"
	StateRunning State = "running"
	StateDone    State = "done"
)

// Status is the answer to Poll.
type Status struct {
	State         State
	QueuePosition *int     // requests ahead of ours; nil: not said
	Progress      *float64 // 0–1, as the model itself reports it; nil: not said
}

// Image is one output as the provider describes it. The facts are claims: sniff the bytes.
type Image struct {
	URL     string // personal and a bearer secret: never logged
	Blocked bool   // the provider's safety checker blacked it out
}

// Result is a finished request's output, which may hold fewer images than were asked for.
type Result struct {
	Images []Image
	// Seed and Prompt are what was used, if said: they identify a request whose submit was not
	// answered.
	Seed   *int64
	Prompt redact.Personal
	Units  string // what it will bill, as a decimal number; empty: it did not say
}

// Found is a request that the provider knows, from [Provider.Find].
type Found struct {
	RequestID string
	CreatedAt time.Time
	Done      bool
}

// CancelOutcome is the provider's answer to Cancel.
type CancelOutcome string

// The outcomes.
const (
	CancelRemoved   CancelOutcome = "removed"   // it never ran
	CancelRequested CancelOutcome = "requested" // it was running and may still finish
	CancelTooLate   CancelOutcome = "too_late"  // it had finished
	CancelNotFound  CancelOutcome = "not_found"
)

// Provider is one maker of images. All methods are safe for concurrent use, make one outside
// call, honour ctx, and fail with an [Error].
type Provider interface {
	// Submit hands the request over. An Error of class Unknown means it may have been accepted.
	Submit(ctx context.Context, r Request) (Ticket, error)
	// Poll asks where the request is.
	Poll(ctx context.Context, t Ticket) (Status, error)
	// Fetch gets the result. Rejected: the provider says no, for good; Gone: it has expired;
	// NotReady: it is still running.
	Fetch(ctx context.Context, t Ticket) (Result, error)
	// ParseCallback reads the result from a callback's stored body (see [Callback]).
	ParseCallback(body json.RawMessage) (Result, error)
	// Download gets the bytes of one output from an allowed host, at most maxBytes of them.
	Download(ctx context.Context, url string, maxBytes int64) ([]byte, error)
	// Cancel asks the provider to stop.
	Cancel(ctx context.Context, t Ticket) (CancelOutcome, error)
	// Find lists the provider's requests for an endpoint that were created in a window.
	Find(ctx context.Context, endpoint string, from, to time.Time) ([]Found, error)
	// Erase deletes what the provider keeps of the request: payloads and output files.
	// A request it does not know is a success.
	Erase(ctx context.Context, requestID string) error
}

// Callback is a verified notice that a request finished: a hint to collect, never a result by
// itself unless the result has expired.
type Callback struct {
	RequestID string
	Body      json.RawMessage // what may be kept of the body: without the prompt
}

// Class sorts what can go wrong by what to do about it.
type Class string

// The classes.
const (
	Rejected  Class = "rejected"  // final: the request itself is refused; Code says why
	Transient Class = "transient" // did not happen, or cannot be read now: try again
	Busy      Class = "busy"      // did not happen for lack of room: try again, it is nobody's failure
	Unknown   Class = "unknown"   // may have happened: find out before doing it again
	Account   Class = "account"   // our key or balance: alarm operators, fail nobody
	Gone      Class = "gone"      // the result has expired or is unknown
	NotReady  Class = "not_ready" // still running
)

// Error is any failure of a provider. Its text holds no personal value: no prompt, no URL.
type Error struct {
	Class  Class
	Code   string // from the closed list of failure codes, such as "output_blocked"
	Status int    // HTTP status; 0: there was no answer
	Units  string // of a result that was refused: as in [Result]
	Cause  error  // for the log; already free of personal values
}

// Error names class, code and status.
func (e *Error) Error() string {
	s := "provider: " + string(e.Class) + ": " + e.Code
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}

	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClassOf returns the class of err; an error that is not a provider's is [Transient].
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}

	return Transient
}
