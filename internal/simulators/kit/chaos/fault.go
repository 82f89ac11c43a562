package chaos

import "imagerun/internal/simulators/kit/rules"

// Fault is one way in which chaos spoils something.
type Fault struct {
	Name   string   `json:"name"`
	Routes []string `json:"routes"`
	// Acts tells that the call takes effect, though the caller may not learn it.
	Acts bool   `json:"acts"`
	What string `json:"what"`

	// Rule is what happens to a call. Faults of other things, such as webhooks, have none.
	Rule rules.Rule `json:"-"`
	// Edit changes the members of a rewritten reply, and returns its status.
	Edit func(code int, reply map[string]any) int `json:"-"`
}

// ForCall turns the fault into a rule for one call: what it holds goes on after so many milliseconds, and a
// refusal without a body has the vendor's.
func (f *Fault) ForCall(route string, holdMS int64, refusal func(route string, code int) string) *rules.ActiveRule {
	r := f.Rule
	r.Route, r.HoldMS = route, holdMS

	if r.Action == rules.ActSlow {
		r.DelayMS = holdMS / 20
	}

	if r.Action == rules.ActAnswer && r.Body == "" && len(r.Headers) == 0 {
		r.Body = refusal(route, r.Status)
	}

	return rules.ForOneCall(r, f.Name, f.Edit)
}
