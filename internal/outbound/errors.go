package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"

	"imagerun/internal/fault"
)

// Sent says how far a call came that did not end well.
type Sent string

// How far it may have come.
const (
	NotSent         Sent = "not_sent"          // there was no connection: it did not happen
	MayHaveHappened Sent = "may_have_happened" // no answer, or only half of one: find out before doing it again
	Answered        Sent = "answered"          // the vendor says no, or something that cannot be read
)

// What goes wrong without an answer that can be used, in words that name no person and no address.
var (
	ErrAddress        = errors.New("address is not valid")
	ErrTimeout        = errors.New("no answer in time")
	ErrNoHost         = errors.New("host name not found")
	ErrTruncated      = errors.New("answer was cut off")
	ErrTooLong        = errors.New("answer is too long")
	ErrMalformedReply = errors.New("answer makes no sense")
	ErrPrivateAddress = errors.New("host has a private address")
	ErrStalled        = errors.New("answer stalled")
	ErrBreakerOpen    = errors.New("vendor breaker is open")
)

// Error is any failure of a call. Its text is free of personal values and secrets; the caller that passes it on says what was
// being done.
type Error struct {
	Sent   Sent
	Status int // of the answer, even if it was cut off; 0: there was none
	cause  error
}

// Error says why.
func (e *Error) Error() string { return e.cause.Error() }

// Unwrap returns one of this package's reasons, [context.Canceled], or an errno.
func (e *Error) Unwrap() error { return e.cause }

// SentOf returns how far the call came whose error this is; empty: it is no [Error].
func SentOf(err error) Sent {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Sent
	}

	return ""
}

// Kind sorts the failure as internal/fault does. It is about us at the vendor, never about our caller: a vendor's 401
// is our key.
func (e *Error) Kind() fault.Kind {
	if e.Sent != Answered {
		return e.findReason().kind
	}

	switch e.Status {
	case http.StatusBadRequest:
		return fault.Malformed
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusPaymentRequired:
		return fault.Payment
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusGone:
		return fault.Gone
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusUnprocessableEntity:
		return fault.Invalid
	case http.StatusTooManyRequests:
		return fault.RateLimited
	case http.StatusRequestTimeout:
		return fault.Unavailable
	}

	if e.Status >= http.StatusInternalServerError {
		return fault.Unavailable
	}

	return fault.Internal // what we sent or what we understood is wrong
}

// Code is a stable word for it, for a job's record: "outbound_timeout", "outbound_rate_limited".
func (e *Error) Code() string {
	if _, ok := e.cause.(statusError); ok { //nolint:errorlint // it is never wrapped
		return "outbound_" + string(e.Kind())
	}

	return "outbound_" + e.findReason().code
}

type reason struct {
	cause error
	kind  fault.Kind
	code  string
}

// reasons are those that the failure itself tells; all others are about the connection.
var reasons = []reason{
	{ErrAddress, fault.Internal, "address"},
	{ErrTimeout, fault.Unavailable, "timeout"},
	{ErrNoHost, fault.Unavailable, "no_host"},
	{ErrTruncated, fault.Unavailable, "truncated"},
	{ErrTooLong, fault.TooLarge, "too_long"},
	{ErrMalformedReply, fault.Internal, "malformed_reply"},
	{ErrPrivateAddress, fault.Forbidden, "private_address"},
	{ErrStalled, fault.Unavailable, "stalled"},
	{ErrBreakerOpen, fault.Unavailable, "breaker_open"},
	{context.Canceled, fault.Unavailable, "canceled"},
}

func (e *Error) findReason() reason {
	i := slices.IndexFunc(reasons, func(r reason) bool { return errors.Is(e.cause, r.cause) })
	if i < 0 {
		return reason{kind: fault.Unavailable, code: "no_connection"}
	}

	return reasons[i]
}

// scrubURL replaces an error of net/http, whose text has the URL in it, by one that has not.
func scrubURL(err error) error {
	var (
		dns     *net.DNSError
		timeout net.Error
	)

	for _, known := range []error{
		ErrPrivateAddress, ErrTooLong, context.Canceled,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, known) {
			return known
		}
	}

	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.As(err, &dns):
		return ErrNoHost
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	default:
		for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
			err = next
		}

		return fmt.Errorf("no connection (%T)", err)
	}
}
