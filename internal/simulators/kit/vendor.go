package kit

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

// RouteTrap is where the redirects and false links of chaos lead: no client should come. A vendor serves it at
// [chaos.TrapPath].
const RouteTrap = "trap"

// Vendor is what a simulator tells the kit about itself. Name and Routes are needed.
type Vendor struct {
	// Name is the simulator's, such as "falsim".
	Name string
	// Routes are the names of the operations that rules and chaos may spoil.
	Routes []string
	// Unlogged are routes whose bodies are not remembered.
	Unlogged []string
	// Secrets are the headers that the log masks. Nil: Authorization.
	Secrets []string
	// MaxBody bounds the body of a call, in bytes. Zero: 1 MiB.
	MaxBody int64

	// Faults is the table of everything that chaos does, made new at each call. Nil: what can be done to every
	// call and to the deliveries.
	Faults func() []chaos.Fault
	// Refusal is the body that the vendor gives a status. Nil: an empty object.
	Refusal func(route string, code int) string
	// Actions are what rules can do beside the kit's own.
	Actions []rules.Action
	// Deliveries is how webhooks are sent. A vendor without webhooks leaves it out.
	Deliveries deliveries.Policy
	// Notice is what the vendor would deliver of an event now, and to where; false: there is no such event. Nil:
	// there are none. It is called with the lock held.
	Notice func(event string) (target string, body []byte, ok bool)

	// Settle is called with the lock held when the clock is looked at, and after each event: see [simclock.New].
	// Nil: nothing depends on it.
	Settle func(time.Time)
	// Reset is called with the lock held when everything is to be forgotten. Nil: nothing is the vendor's.
	Reset func()

	// Knobs serves the vendor's knobs, among which are the kit's: see [knobs.Serve]. Nil: the kit's alone.
	Knobs http.Handler
	// Stats are what GET /_control/stats answers. Nil: [Kit.Counts].
	Stats func() any
	// Page is the vendor's part of the control page.
	Page template.HTML
}

// withDefaults puts the kit's own in place of what is not given.
func (v Vendor) withDefaults() Vendor {
	if v.MaxBody == 0 {
		v.MaxBody = 1 << 20
	}

	if v.Secrets == nil {
		v.Secrets = []string{"Authorization"}
	}

	if v.Faults == nil {
		v.Faults = func() []chaos.Fault {
			table := chaos.CallFaults(v.Routes, v.Routes)
			if v.Deliveries.Sign != nil {
				table = append(table, v.Deliveries.Table()...)
			}

			return table
		}
	}

	if v.Refusal == nil {
		v.Refusal = func(string, int) string { return "{}" }
	}

	if v.Notice == nil {
		v.Notice = func(string) (string, []byte, bool) { return "", nil, false }
	}

	if v.Reset == nil {
		v.Reset = func() {}
	}

	return v
}

// isSecretHeader reports whether a header's value is a secret.
func (v Vendor) isSecretHeader(header string) bool {
	return slices.ContainsFunc(v.Secrets, func(secret string) bool { return strings.EqualFold(secret, header) })
}
