package falsim

// counters are what the statistics are made of, beside what the kit counts.
type counters struct {
	Stats

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

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	out, c := s.count.Stats, s.Counts()
	out.Considered, out.Faults = c.Considered, c.Faults
	out.WebhooksLost, out.WebhooksDoubled = c.Deliveries.Lost, c.Deliveries.Doubled
	out.WebhooksSent, out.WebhooksDelivered = c.Deliveries.Sent, c.Deliveries.Delivered
	out.Queued, out.Running, out.Files = len(s.line), s.running, len(s.host.files)
	out.countCalls(c.Calls)

	return out
}

// countCalls puts the calls of each route where they belong; what has no place of its own is other.
func (s *Stats) countCalls(calls map[string]int64) {
	own := map[string]*int64{
		RouteSubmit: &s.Submits, RouteRun: &s.Runs, RouteStatus: &s.Statuses, RouteStream: &s.Streams, RouteResult: &s.Results,
		RouteCancel: &s.Cancels, RouteFind: &s.Finds, RouteErase: &s.Erases, RouteMedia: &s.Media, RouteJWKS: &s.JWKS,
		RouteTrap: &s.Trapped, RouteUpload: &s.Uploads, RoutePut: &s.Puts,
	}

	for route, n := range calls {
		if place := own[route]; place != nil {
			*place += n
		} else {
			s.Other += n
		}
	}
}
