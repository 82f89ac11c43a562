package creemsim

import "imagerun/internal/simulators/kit"

// counters are what Creem alone counts.
type counters struct {
	Calls     int64 `json:"api_calls"` // with the right key
	Checkouts int64 `json:"checkouts_made"`
	Paid      int64 `json:"checkouts_paid"`
	Declined  int64 `json:"payments_declined"` // at the checkout and of renewals
	Renewals  int64 `json:"renewals"`          // that were paid
	Refunds   int64 `json:"refunds_made"`
	Disputes  int64 `json:"disputes"`
	Events    int64 `json:"events"`
	// ModerationUnits are what the screening of prompts is billed by.
	ModerationUnits int64 `json:"moderation_units"`
}

// Stats are what happened since the start or the last reset. Counts.Calls has the calls by route.
type Stats struct {
	kit.Counts
	counters

	Trapped int64 `json:"trapped"` // calls that followed a redirect of chaos
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	out := Stats{Counts: s.Counts(), counters: s.count}
	out.Trapped = out.Counts.Calls[RouteTrap]

	return out
}
