package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imagerun/internal/auth"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/postgres"
	"imagerun/internal/publicid"
)

// The faults of the edge itself.
var (
	errNoRoute      = fault.New(fault.NotFound, "not_found", "There is nothing here. Check the address and the id.")
	errMethod       = fault.New(fault.Malformed, "method_not_allowed", "This address does not take that method. The Allow header lists those it takes.")
	errCrossOrigin  = fault.New(fault.Forbidden, "cross_origin", "A browser sent this from another origin. Use an API key, or call from this service's own pages.")
	errSessionOnly  = fault.New(fault.Forbidden, "session_required", "An API key may not do that. Sign in and use the session.")
	errJSON         = fault.New(fault.Malformed, "malformed_json", "The body is not one valid JSON document in UTF-8. Check it with a JSON parser and send it again.")
	errDepth        = fault.New(fault.Malformed, "json_too_deep", "The body is nested too deeply. Requests are flat: at most 16 levels are read.")
	errMembers      = fault.New(fault.Malformed, "json_too_wide", "An object or a list in the body has more than 128 members. Send fewer.")
	errBodyRead     = fault.New(fault.Malformed, "body_incomplete", "The body ended early or came too slowly. Send the request again.")
	errBodyTooLarge = fault.New(fault.TooLarge, "body_too_large", "The body is too large.")
	errContentType  = fault.New(fault.UnsupportedType, "unsupported_media_type", "Send the body as application/json, uncompressed.")
	errInvalid      = fault.New(fault.Invalid, "validation_failed", "The request is not valid. See errors for what to change; nothing was started.")
	errHeader       = fault.New(fault.Malformed, "malformed_header", "A header is not of the form that it must have. See errors.")
	errQuery        = fault.New(fault.Malformed, "malformed_query", "The query string is not correctly encoded.")
	errStreams      = fault.New(fault.RateLimited, "too_many_streams", "Too many of your event streams, downloads and waiting requests are open. Let some of them end, or ask again later.").WithRetryAfter(10 * time.Second)
	errDatabase     = fault.New(fault.Unavailable, "database_unavailable", "Our database does not answer in time. Try again in a few seconds; with the same Idempotency-Key nothing is started or charged twice.")
	errAbandoned    = fault.New(fault.Unavailable, "request_abandoned", "The connection ended before the answer. Send the request again.")
)

// maxFaults is how many of its faults a refusal names: enough to correct a request by, and an answer that
// does not grow with what was sent.
const maxFaults = 20

// statusOf is the HTTP status and the title of each kind. Kinds are documented in internal/fault.
func statusOf(e *fault.Error) (status int, title string) {
	if errors.Is(e, errMethod) {
		return http.StatusMethodNotAllowed, "Method not allowed"
	}

	switch e.Kind {
	case fault.Malformed:
		return http.StatusBadRequest, "Malformed request"
	case fault.Unauthenticated:
		return http.StatusUnauthorized, "Not signed in"
	case fault.Payment:
		return http.StatusPaymentRequired, "Credits needed"
	case fault.Forbidden:
		return http.StatusForbidden, "Not allowed"
	case fault.NotFound:
		return http.StatusNotFound, "Not found"
	case fault.NotAcceptable:
		return http.StatusNotAcceptable, "Not acceptable"
	case fault.Conflict:
		return http.StatusConflict, "Conflict"
	case fault.Gone:
		return http.StatusGone, "Deleted"
	case fault.Precondition:
		return http.StatusPreconditionFailed, "Precondition failed"
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case fault.UnsupportedType:
		return http.StatusUnsupportedMediaType, "Unsupported media type"
	case fault.Invalid:
		return http.StatusUnprocessableEntity, "Not valid"
	case fault.RateLimited:
		return http.StatusTooManyRequests, "Too much"
	case fault.Unavailable:
		return http.StatusServiceUnavailable, "Unavailable"
	case fault.Internal:
		return http.StatusInternalServerError, "Internal error"
	default:
		return http.StatusInternalServerError, "Internal error"
	}
}

// isRetryable reports whether the very same request may succeed later.
func isRetryable(e *fault.Error) bool {
	switch e.Kind {
	case fault.RateLimited, fault.Unavailable, fault.Internal:
		return true
	default:
		return e.RetryAfter > 0 || errors.Is(e, errBodyRead)
	}
}

// nameOutage makes a fault of an error that says that the database is away, or was not done when the time of a request was
// over. Whatever else a handler waits for has a fault of its own.
func nameOutage(err error) error {
	if _, named := errors.AsType[*fault.Error](err); !named && (postgres.Outage(err) || postgres.TimedOut(err)) {
		return errDatabase.WithCause(err)
	}

	return err
}

// renderProblem is the one mapping from an error to what the caller sees (RFC 9457).
func renderProblem(cause error, requestID string) Problem {
	e := fault.Of(cause)
	status, title := statusOf(e)
	p := Problem{
		Type:      "urn:imagerun:problem:" + e.Code,
		Title:     title,
		Status:    status,
		Detail:    e.Detail,
		Instance:  "urn:imagerun:request:" + requestID,
		Code:      ProblemCode(e.Code),
		RequestID: requestID,
		Retryable: isRetryable(e),
	}

	if after := retryAfter(e, status); after > 0 {
		p.RetryAfter = &after
	}

	if short, ok := errors.AsType[*credits.ShortfallError](cause); ok {
		p.Required, p.Available = &short.Required, &short.Available
	}

	if lacks, ok := errors.AsType[*auth.MissingScopeError](e); ok {
		p.RequiredScope = new(Scope(lacks.Scope))
	}

	if other, ok := errors.AsType[*checkout.OpenError](cause); ok {
		p.Checkout = new(publicid.Format(publicid.PrefixCheckout, other.ID))
	}

	for _, f := range e.Fields[:min(maxFaults, len(e.Fields))] {
		d := ProblemError{Detail: f.Detail, Keyword: f.Keyword}

		// A fault's pointer names a place in the body unless it starts with one of ours.
		if name, ok := strings.CutPrefix(f.Pointer, inQuery); ok {
			d.Parameter = &name
		} else if name, ok := strings.CutPrefix(f.Pointer, inHeader); ok {
			d.Header = &name
		} else {
			d.Pointer = &f.Pointer
		}

		p.Errors = append(p.Errors, d)
	}

	if over, ok := errors.AsType[*exceededError](e); ok {
		p.Type, p.Title, p.ViolatedPolicies = quotaExceeded, quotaExceededTitle, over.policies
	}

	return p
}

// retryAfter is how many seconds to wait before the request is worth another try; zero: nothing is known of that.
func retryAfter(e *fault.Error, status int) int {
	after := e.RetryAfter
	if after == 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		after = 5 * time.Second
	}

	return int(math.Ceil(after.Seconds()))
}

// Where a field is, when it is not in the body.
const (
	inQuery  = "query:"
	inHeader = "header:"
)

// Fail returns the function that answers with the problem of an error, for handlers that stand
// behind this edge. What is our own mistake is logged there, with its cause.
func Fail(logger *slog.Logger) func(w http.ResponseWriter, r *http.Request, err error) {
	return func(w http.ResponseWriter, r *http.Request, err error) { writeProblem(logger, w, r, err) }
}

func writeProblem(logger *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())

	// A caller who has gone gets no answer, and is no error of ours.
	if x.caller.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		x.gone = true
		err = errAbandoned.WithCause(err)
	}

	err = nameOutage(err)

	e := fault.Of(err)
	p := renderProblem(err, x.requestID)
	x.code = e.Code

	if p.Status >= http.StatusInternalServerError && !x.gone {
		logger.ErrorContext(r.Context(), "request failed",
			slog.String("request_id", x.requestID), slog.String("route", x.pattern), slog.String("code", e.Code), slog.Any("error", err))
	}

	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")

	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="imagerun"`) // RFC 9110 §11.6.1, RFC 6750 §3
	} else if p.RequiredScope != nil {
		h.Set("WWW-Authenticate", `Bearer realm="imagerun", error="insufficient_scope", scope="`+string(*p.RequiredScope)+`"`)
	}

	if p.RetryAfter != nil {
		h.Set("Retry-After", strconv.Itoa(*p.RetryAfter))
	}

	w.WriteHeader(p.Status)
	_, _ = w.Write(mustEncode(p))
}
