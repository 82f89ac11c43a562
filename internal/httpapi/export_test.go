package httpapi

import (
	"errors"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/idempotency"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/payments/withdrawal"
	"imagerun/internal/storage"
	"imagerun/internal/upload"
)

// For the tests in httpapi_test.
var (
	ParseJSON     = parseJSON
	ReadKey       = idempotencyKey
	PreferredWait = preferredWait
	FormatCursor  = formatCursor
	ParseCursor   = parseCursor
	Fingerprint   = fingerprintRequest
	LimitsOf      = limitsOf
)

// MaxDepth is the deepest body that is read.
const MaxDepth = maxDepth

// Patterns returns the pattern of every route.
func Patterns() []string {
	var patterns []string
	for _, rt := range (&server{}).listRoutes() {
		patterns = append(patterns, rt.pattern)
	}

	return patterns
}

// Describe returns the status of a fault and whether the same request may work later.
func Describe(e *fault.Error) (status int, again bool) {
	status, _ = statusOf(e)

	return status, isRetryable(e)
}

// Faults returns the faults of the edge itself and those that its handlers name.
func Faults() []*fault.Error {
	return []*fault.Error{
		errNoRoute, errMethod, errCrossOrigin, errSessionOnly, errJSON, errDepth, errMembers, errBodyRead, errBodyTooLarge, errContentType, errInvalid,
		errHeader, errQuery, errStreams, errRateLimited, errDatabase, errAbandoned, fault.Of(errors.New("of nobody")),
		auth.ErrUnauthenticated, auth.ErrScope, apikey.ErrNotFound, apikey.ErrTooMany, idempotency.ErrInFlight, idempotency.ErrMismatch,
		checkout.ErrProduct, checkout.ErrCurrency, checkout.ErrSubscribed, checkout.ErrOpen, checkout.ErrNotFound, checkout.ErrUnavailable, checkout.ErrRefused,
		orders.ErrNotFound, subscriptions.ErrNotFound, subscriptions.ErrNoCustomer, subscriptions.ErrEnded, subscriptions.ErrCanceled, subscriptions.ErrUnpaid,
		subscriptions.ErrNotReady, subscriptions.ErrChanging, subscriptions.ErrChangeBack, subscriptions.ErrPaymentRefused, subscriptions.ErrRefused,
		subscriptions.ErrUnclear, withdrawal.ErrOff, withdrawal.ErrTooLate, withdrawal.ErrWithdrawn, withdrawal.ErrRefunded, withdrawal.ErrDisputed,
		withdrawal.ErrUsedUp, withdrawal.ErrNotReady, withdrawal.ErrChanged, errNothingSold,
		upload.ErrTooMany, upload.ErrNotFound, upload.ErrExpired, upload.ErrLost, upload.ErrNotReceived, upload.ErrMismatch, upload.ErrNotReady, upload.ErrRejected,
		generation.ErrNotFound, generation.ErrDeleted, generation.ErrNotCancelable, generation.ErrQueueFull, generation.ErrCallbackUnknown,
		generation.ErrAlbumTooLarge, generation.ErrAlbumEmpty, storage.ErrNotFound, storage.ErrUnavailable,
	}
}
