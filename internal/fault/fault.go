// Package fault is the one taxonomy of errors.
//
// A fault carries a kind, which decides what every edge does with it, a stable code for
// programs, and a sentence for people. The sentence is public: it never repeats a value the
// caller sent, an id of another user, or the cause. Whatever is not a fault is [Internal]:
// bland to the caller, complete in the log, worth a retry to a worker.
//
// Each edge maps faults in exactly one function: internal/httpapi to problem documents,
// queue/durable to retries, internal/telemetry to log levels.
package fault

import (
	"errors"
	"time"
)

// Kind says what sort of thing went wrong. The zero value is not a kind.
type Kind string

// The kinds, in the order of the HTTP statuses they become.
const (
	Malformed       Kind = "malformed"        // 400: not the protocol we speak
	Unauthenticated Kind = "unauthenticated"  // 401: no or bad credentials
	Payment         Kind = "payment"          // 402: not enough credits
	Forbidden       Kind = "forbidden"        // 403: known caller, missing right
	NotFound        Kind = "not_found"        // 404: absent, or another user's
	NotAcceptable   Kind = "not_acceptable"   // 406: no representation the caller accepts
	Conflict        Kind = "conflict"         // 409: the state does not allow it now
	Gone            Kind = "gone"             // 410: it was deleted
	Precondition    Kind = "precondition"     // 412: If-Match failed
	TooLarge        Kind = "too_large"        // 413: body beyond the limit
	UnsupportedType Kind = "unsupported_type" // 415: content type not accepted
	Invalid         Kind = "invalid"          // 422: understood, but not allowed
	RateLimited     Kind = "rate_limited"     // 429: too much, too soon
	Internal        Kind = "internal"         // 500: our mistake
	Unavailable     Kind = "unavailable"      // 503: try again later
)

// Field points at one wrong part of a request.
type Field struct {
	// Pointer is a JSON pointer in fragment form, such as "#/aspect_ratio" (RFC 6901 §6).
	Pointer string
	// Keyword names the rule that failed, such as "enum" or "maxLength".
	Keyword string
	// Detail says what is wrong and what to do. It never repeats the value.
	Detail string
}

// Error is a fault. Values are immutable: the With… methods return copies.
type Error struct {
	Kind       Kind
	Code       string        // stable, snake_case, from the closed list in docs/errors.md
	Detail     string        // one public sentence: what happened and what to do
	Fields     []Field       // the wrong parts of the request, if any
	RetryAfter time.Duration // when to come back; zero: not said
	cause      error
}

// New declares a fault; packages keep their faults in variables named Err….
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Error is for logs: the code, the public sentence and the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}

	return e.Code + ": " + e.Detail
}

// Unwrap returns the private cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Is matches any fault of the same code, so copies made by With… match their original.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)

	return ok && t.Code == e.Code
}

// WithCause returns a copy that carries err for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.cause = err

	return &c
}

// WithFields returns a copy that points at the wrong parts of the request.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), fields...)

	return &c
}

// WithMore returns a copy with another public sentence behind the first.
func (e *Error) WithMore(sentence string) *Error {
	c := *e
	c.Detail += " " + sentence

	return &c
}

// WithRetryAfter returns a copy that says when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d

	return &c
}

// Of returns the fault in err's chain, or an [Internal] one that carries err. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}

	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}

	return errInternal.WithCause(err)
}

// It promises nothing about what was done: an answer can be lost after the commit.
var errInternal = New(Internal, "internal_error", "Something went wrong on our side. Try again; with the same Idempotency-Key nothing is started or charged twice. Quote the request id if it happens again.")
