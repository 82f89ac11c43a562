package falsim

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

const (
	maxLog      = 5000     // calls remembered
	maxLogBody  = 16 << 10 // bytes of a body remembered
	maxHookings = 20_000   // webhooks remembered
)

// Received is a call that came in. The key is masked; everything else is as it was, personal
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
}

// counters are what the statistics are made of.
type counters struct {
	Stats

	events  int64
	decided int64
}

// Stats count what happened since the start or the last reset.
type Stats struct {
	Submits  int64 `json:"submits"`  // calls, refused ones included
	Accepted int64 `json:"accepted"` // requests that came to be
	Statuses int64 `json:"statuses"`
	Streams  int64 `json:"streams"`
	Results  int64 `json:"results"`
	Cancels  int64 `json:"cancels"`
	Finds    int64 `json:"finds"`
	Erases   int64 `json:"erases"`
	Media    int64 `json:"media"`
	JWKS     int64 `json:"jwks"`
	Other    int64 `json:"other"`

	Queued    int   `json:"queued"`  // now
	Running   int   `json:"running"` // now
	Finished  int64 `json:"finished"`
	Cancelled int64 `json:"cancelled"`
	Erased    int64 `json:"erased"`
	Files     int   `json:"files"` // now, erased and expired ones included

	WebhooksDue       int64 `json:"webhooks_due"`       // requests that finished and named a webhook
	WebhooksLost      int64 `json:"webhooks_lost"`      // on purpose
	WebhooksDoubled   int64 `json:"webhooks_doubled"`   // on purpose
	WebhooksSent      int64 `json:"webhooks_sent"`      // posts made, retries included
	WebhooksDelivered int64 `json:"webhooks_delivered"` // posts answered with 2xx
}

func (c *counters) route(route string) {
	n := map[string]*int64{
		RouteSubmit: &c.Submits, RouteStatus: &c.Statuses, RouteStream: &c.Streams, RouteResult: &c.Results,
		RouteCancel: &c.Cancels, RouteFind: &c.Finds, RouteErase: &c.Erases, RouteMedia: &c.Media, RouteJWKS: &c.JWKS,
	}[route]
	if n == nil {
		n = &c.Other
	}

	*n++
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	out := s.count.Stats
	out.Queued, out.Running, out.Files = len(s.queue), s.running, len(s.files)

	return out
}

// Requests returns the last calls to a route, the oldest first. Empty: to any.
func (s *Sim) Requests(route string) []Received {
	s.mu.Lock()
	defer s.mu.Unlock()

	out := []Received{}

	for _, r := range s.log {
		if route == "" || r.Route == route {
			out = append(out, r)
		}
	}

	return out
}

// record remembers a call and returns its number. The caller holds mu.
func (s *Sim) record(route string, r *http.Request, body []byte, rule *rule) int64 {
	header := maps.Clone(r.Header)
	if header.Get("Authorization") != "" {
		header["Authorization"] = []string{"[masked]"}
	}

	entry := Received{
		N: s.count.Submits + s.count.Statuses + s.count.Streams + s.count.Results + s.count.Cancels +
			s.count.Finds + s.count.Erases + s.count.Media + s.count.JWKS + s.count.Other,
		At: s.now(), Route: route, Method: r.Method, URL: r.URL.String(), Header: header,
		Body: string(body[:min(len(body), maxLogBody)]),
	}
	if rule != nil {
		entry.Rule = rule.ID
	}

	if len(s.log) >= maxLog {
		s.log = slices.Delete(s.log, 0, maxLog/10)
	}

	s.log = append(s.log, entry)

	return entry.N
}

func (s *Sim) recordStatus(n int64, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for i := len(s.log) - 1; i >= 0; i-- {
		if s.log[i].N == n {
			s.log[i].Status = code

			return
		}
	}
}
