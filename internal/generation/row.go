package generation

import (
	"encoding/json"
	"errors"
	"fmt"

	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/providers"
)

func parametersOf(t db.AiTask) (catalogue.Parameters, error) {
	var p catalogue.Parameters
	if err := json.Unmarshal(t.Parameters, &p); err != nil {
		return p, fmt.Errorf("decode parameters of %s: %w", t.ID, err)
	}

	return p, nil
}

// ticketOf is what the provider gave us for an attempt whose request id is known.
func ticketOf(a db.ProviderAttempt) providers.Ticket {
	return providers.Ticket{
		Endpoint: a.Endpoint, RequestID: orEmpty(a.RequestID),
		StatusURL: orEmpty(a.StatusUrl), ResponseURL: orEmpty(a.ResponseUrl), CancelURL: orEmpty(a.CancelUrl),
	}
}

// modelOf is the model of an attempt; those of an older release had the task's.
func modelOf(t db.AiTask, a db.ProviderAttempt) string {
	if a.Model != nil {
		return *a.Model
	}

	return t.Model
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

	return string(FailureProviderError)
}

// unitsOf is what a provider charges for a result that it refused; empty: it did not say.
func unitsOf(err error) string {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e.Units
	}

	return ""
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}

	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}

	return *s
}
