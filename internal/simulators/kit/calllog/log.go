// Package calllog remembers the calls that came to a simulator.
package calllog

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// MaxBody is how much of a body is remembered, in bytes.
const MaxBody = 16 << 10

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

// Log is the calls that came in, bounded, and how many there were of each route. The caller of every method
// holds the simulator's lock.
type Log struct {
	maxCalls int
	calls    []Received
	n        int64
	kept     map[string]int   // calls that are remembered, by route
	count    map[string]int64 // calls that came, by route
}

// New makes an empty log of so many calls at most.
func New(maxCalls int) *Log {
	return &Log{maxCalls: maxCalls, kept: map[string]int{}, count: map[string]int64{}}
}

// Add remembers a call and returns its number.
func (l *Log) Add(r Received) int64 {
	l.n++
	r.N = l.n
	l.calls = append(l.calls, r)
	l.kept[r.Route]++
	l.count[r.Route]++
	l.trimBusiest()

	return r.N
}

// trimBusiest forgets the oldest calls of the busiest route, so that polls do not push the rare calls out.
func (l *Log) trimBusiest() {
	if len(l.calls) <= l.maxCalls {
		return
	}

	busiest := l.calls[0].Route
	for route, n := range l.kept {
		if n > l.kept[busiest] || n == l.kept[busiest] && route < busiest {
			busiest = route
		}
	}

	drop := max(1, l.maxCalls/20)
	l.calls = slices.DeleteFunc(l.calls, func(r Received) bool {
		if r.Route != busiest || drop == 0 {
			return false
		}

		drop--
		l.kept[busiest]--

		return true
	})
}

// SetStatus writes down how a call was answered, unless it was forgotten.
func (l *Log) SetStatus(n int64, code int) {
	for i := len(l.calls) - 1; i >= 0; i-- {
		if l.calls[i].N == n {
			l.calls[i].Status = code

			return
		}
	}
}

// List returns the last calls to a route, the oldest first. Empty: to any.
func (l *Log) List(route string) []Received {
	out := []Received{}

	for _, r := range l.calls {
		if route == "" || r.Route == route {
			out = append(out, r)
		}
	}

	return out
}

// Counts are how many calls came, by route, forgotten ones included.
func (l *Log) Counts() map[string]int64 { return maps.Clone(l.count) }
