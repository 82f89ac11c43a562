package attempt

import (
	"errors"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
)

// TicketOf is what the provider gave us for an attempt whose request id is known.
func TicketOf(a db.ProviderAttempt) providers.Ticket {
	return providers.Ticket{
		Endpoint: a.Endpoint, RequestID: postgres.TextOrEmpty(a.RequestID),
		StatusURL: postgres.TextOrEmpty(a.StatusUrl), ResponseURL: postgres.TextOrEmpty(a.ResponseUrl), CancelURL: postgres.TextOrEmpty(a.CancelUrl),
	}
}

// isProviders tells what a provider did from what befell us.
func isProviders(err error) bool {
	_, ok := errors.AsType[*providers.Error](err)

	return ok
}

// codeOf is the failure code that a provider's error carries; nil has none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}

	if e, ok := errors.AsType[*providers.Error](err); ok && e.Code != "" {
		return e.Code
	}

	return string(generation.FailureProviderError)
}

// unitsOf is what a provider charges for a result that it refused; empty: it did not say.
func unitsOf(err error) string {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e.Units
	}

	return ""
}
