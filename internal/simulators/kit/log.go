package kit

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

const maxLogBody = 16 << 10 // bytes of a body remembered

// Received is a call that came in. Secrets are masked; everything else is as it was, personal
// values included: this is a simulator.
type Received struct {
	N      int64       `json:"n"`
	At     time.Time   `json:"at"`
	Route  string      `json:"route"`
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   string      `json:"body,omitempty"`
	Rule   int         `json:"rule,omitempty"`   // the rule that applied
	Status int         `json:"status,omitempty"` // 0: not answered, or cut
	// Fault is how chaos spoiled it. Empty: not at all.
	Fault string `json:"fault,omitempty"`
}

// log is the calls that came in, bounded, and how many there were of each route.
type log struct {
	most  int
	calls []Received
	n     int64
	kept  map[string]int   // calls that are remembered, by route
	count map[string]int64 // calls that came, by route
}

func newLog(most int) log { return log{most: most, kept: map[string]int{}, count: map[string]int64{}} }

// add remembers a call and returns its number.
func (l *log) add(r Received) int64 {
	l.n++
	r.N = l.n
	l.calls = append(l.calls, r)
	l.kept[r.Route]++
	l.count[r.Route]++
	l.trim()

	return r.N
}

// trim forgets the oldest calls of the busiest route, so that polls do not push the rare calls out.
func (l *log) trim() {
	if len(l.calls) <= l.most {
		return
	}

	busiest := l.calls[0].Route
	for route, n := range l.kept {
		if n > l.kept[busiest] || n == l.kept[busiest] && route < busiest {
			busiest = route
		}
	}

	drop := max(1, l.most/20)
	l.calls = slices.DeleteFunc(l.calls, func(r Received) bool {
		if r.Route != busiest || drop == 0 {
			return false
		}

		drop--
		l.kept[busiest]--

		return true
	})
}

func (l *log) setStatus(n int64, code int) {
	for i := len(l.calls) - 1; i >= 0; i-- {
		if l.calls[i].N == n {
			l.calls[i].Status = code

			return
		}
	}
}

func (k *Kit) received(route string, r *http.Request, body []byte, rule *rules.ActiveRule) Received {
	call := Received{At: k.Clock.Now(), Route: route, Method: r.Method, URL: r.URL.String(), Header: maps.Clone(r.Header)}

	for name := range call.Header {
		if k.vendor.masks(name) {
			call.Header[name] = []string{"[masked]"}
		}
	}

	if !slices.Contains(k.vendor.Unlogged, route) {
		call.Body = string(body[:min(len(body), maxLogBody)])
	}

	if rule != nil {
		call.Rule, call.Fault = rule.ID, rule.Fault
	}

	return call
}

// Requests returns the last calls to a route, the oldest first. Empty: to any.
func (k *Kit) Requests(route string) []Received {
	k.lock.Lock()
	defer k.lock.Unlock()

	out := []Received{}

	for _, r := range k.log.calls {
		if route == "" || r.Route == route {
			out = append(out, r)
		}
	}

	return out
}

// Counts are what happened since the start or the last reset.
type Counts struct {
	Calls      map[string]int64  `json:"calls"` // by route, spoiled ones included
	Deliveries deliveries.Counts `json:"deliveries"`
	// Considered is what chaos looked at: calls, deliveries, and what else the vendor has. Faults counts what
	// it did, under "route/name".
	Considered int64            `json:"considered"`
	Faults     map[string]int64 `json:"faults"`
}

// Counts returns the counts. The caller holds the lock.
func (k *Kit) Counts() Counts {
	c := Counts{Calls: maps.Clone(k.log.count), Deliveries: k.Courier.Counts()}
	c.Considered, c.Faults = k.Monkey.Counts()

	return c
}
