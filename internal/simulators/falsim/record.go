package falsim

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"imagerun/internal/simulators/kit/rules"
)

const (
	maxLogBody = 16 << 10 // bytes of a body remembered
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
	// Fault is how chaos spoiled it. Empty: not at all.
	Fault string `json:"fault,omitempty"`
}

// counters are what the statistics are made of.
type counters struct {
	Stats

	calls   int64
	decided int64
}

// Stats count what happened since the start or the last reset.
type Stats struct {
	Submits  int64 `json:"submits"`  // calls, refused ones included
	Runs     int64 `json:"runs"`     // calls without the queue, refused ones included
	Accepted int64 `json:"accepted"` // requests that came to be
	Statuses int64 `json:"statuses"`
	Streams  int64 `json:"streams"`
	Results  int64 `json:"results"`
	Cancels  int64 `json:"cancels"`
	Finds    int64 `json:"finds"`
	Erases   int64 `json:"erases"`
	Media    int64 `json:"media"`
	Uploads  int64 `json:"uploads"` // initiated
	Puts     int64 `json:"puts"`    // files and parts sent, and completions
	JWKS     int64 `json:"jwks"`
	Trapped  int64 `json:"trapped"` // calls that followed a redirect or a false link of chaos
	Other    int64 `json:"other"`

	Queued    int   `json:"queued"`  // now
	Running   int   `json:"running"` // now
	Finished  int64 `json:"finished"`
	Cancelled int64 `json:"cancelled"`
	Retried   int64 `json:"retried"` // by fal itself
	Erased    int64 `json:"erased"`
	Files     int   `json:"files"` // now, erased and expired ones included

	WebhooksDue       int64 `json:"webhooks_due"`       // requests that finished and named a webhook
	WebhooksLost      int64 `json:"webhooks_lost"`      // on purpose
	WebhooksDoubled   int64 `json:"webhooks_doubled"`   // on purpose
	WebhooksSent      int64 `json:"webhooks_sent"`      // posts made, retries included
	WebhooksDelivered int64 `json:"webhooks_delivered"` // posts answered with 2xx

	// Considered is what chaos looked at: calls, finished requests and their webhooks. Faults
	// counts what it did, under "route/name".
	Considered int64            `json:"considered"`
	Faults     map[string]int64 `json:"faults"`
}

func (c *counters) route(route string) {
	n := map[string]*int64{
		RouteSubmit: &c.Submits, RouteRun: &c.Runs, RouteStatus: &c.Statuses, RouteStream: &c.Streams, RouteResult: &c.Results,
		RouteCancel: &c.Cancels, RouteFind: &c.Finds, RouteErase: &c.Erases, RouteMedia: &c.Media, RouteJWKS: &c.JWKS,
		RouteTrap: &c.Trapped, RouteUpload: &c.Uploads, RoutePut: &c.Puts,
	}[route]
	if n == nil {
		n = &c.Other
	}

	*n++
	c.calls++
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	out := s.count.Stats
	sent := s.courier.Counts()
	out.WebhooksLost, out.WebhooksDoubled = sent.Lost, sent.Doubled
	out.WebhooksSent, out.WebhooksDelivered = sent.Sent, sent.Delivered
	out.Considered, out.Faults = s.monkey.Counts()
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
func (s *Sim) record(route string, r *http.Request, body []byte, rule *rules.ActiveRule) int64 {
	header := maps.Clone(r.Header)
	if header.Get("Authorization") != "" {
		header["Authorization"] = []string{"[masked]"}
	}

	entry := Received{
		N:  s.count.calls,
		At: s.clock.Now(), Route: route, Method: r.Method, URL: r.URL.String(), Header: header,
	}
	if route != RoutePut {
		entry.Body = string(body[:min(len(body), maxLogBody)])
	}

	if rule != nil {
		entry.Rule, entry.Fault = rule.ID, rule.Fault
	}

	s.log = append(s.log, entry)
	s.logged[route]++
	s.trim()

	return entry.N
}

// trim forgets the oldest calls of the busiest route, so that polls do not push the submits out.
func (s *Sim) trim() {
	if len(s.log) <= s.opts.MaxLog {
		return
	}

	busiest := s.log[0].Route
	for route, n := range s.logged {
		if n > s.logged[busiest] || n == s.logged[busiest] && route < busiest {
			busiest = route
		}
	}

	drop := max(1, s.opts.MaxLog/20)
	s.log = slices.DeleteFunc(s.log, func(r Received) bool {
		if r.Route != busiest || drop == 0 {
			return false
		}

		drop--
		s.logged[busiest]--

		return true
	})
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
