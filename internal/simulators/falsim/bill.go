package falsim

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxBilledSpan is the longest time that billing events can be asked for at once.
const maxBilledSpan = 90 * 24 * time.Hour

// units is what a finished request is charged for: nothing if it failed.
func (r *request) units() float64 {
	n, err := strconv.ParseFloat(r.outcome.header["X-Fal-Billable-Units"], 64)
	if err != nil || r.phase != done {
		return 0
	}

	return n
}

func (r *request) cost() float64 { return r.units() * r.model.price }

// billed are the charged requests that a listing asks for, by their ends. The caller holds mu.
func (s *Sim) billed(l listing) []*request {
	var found []*request

	for _, req := range slices.Backward(s.order) {
		if req.units() > 0 && l.names(req) && !req.finished.Before(l.start) && req.finished.Before(l.end) {
			found = append(found, req)
		}
	}

	return found
}

// meanCost is what a call of an endpoint has cost on average; one unit if there was none.
func (s *Sim) meanCost(endpoint string, m *model) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	calls, total := 0, 0.0

	for _, req := range s.order {
		if req.endpoint == endpoint && req.units() > 0 {
			calls++
			total += req.cost()
		}
	}

	if calls == 0 {
		return m.price
	}

	return total / float64(calls)
}

// serveBillingEvents lists what each request cost, the newest first.
// https://docs.fal.ai/platform-apis/v1/models/billing-events (read 2026-11)
func (s *Sim) serveBillingEvents(w http.ResponseWriter, r *http.Request, _ []byte) {
	l, ok := s.listing(r, maxBilled)
	if !ok || l.end.Sub(l.start) > maxBilledSpan {
		s.refuse(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	skew := s.knobs.skew()
	answer(w, http.StatusOK, paged(l, "billing_events", s.billed(l), func(req *request) map[string]any {
		return map[string]any{
			"request_id": req.id, "endpoint_id": req.endpoint, "timestamp": stamp(req.finished, skew),
			"output_units": req.units(), "unit_price": req.model.price, "percent_discount": 0,
			"cost_subtotal": req.cost(), "cost_discount": 0, "cost_total": req.cost(),
			"cost_estimate_nano_usd": int64(math.Round(req.cost() * 1e9)),
		}
	}))
}

// serveUsage adds up what was charged, by endpoint and span of time.
// https://docs.fal.ai/platform-apis/v1/models/usage (read 2026-11)
func (s *Sim) serveUsage(w http.ResponseWriter, r *http.Request, _ []byte) {
	l, ok := s.listing(r, maxBilled)
	frame := r.URL.Query().Get("timeframe")

	if !ok || !slices.Contains([]string{"", "minute", "hour", "day", "week", "month"}, frame) {
		s.refuse(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	answer(w, http.StatusOK, paged(l, "time_series", s.series(l, frame), func(b span) map[string]any {
		return map[string]any{"bucket": b.start.Format(time.RFC3339), "results": b.rows()}
	}))
}

// span is a bucket of the usage: units by endpoint.
type span struct {
	start time.Time
	units map[string]float64
}

func (b span) rows() []map[string]any {
	rows := []map[string]any{}

	for _, id := range sortedKeys(b.units) {
		m := models()[id]
		rows = append(rows, map[string]any{
			"endpoint_id": id, "unit": unit, "quantity": b.units[id], "unit_price": m.price,
			"cost": b.units[id] * m.price, "currency": "USD", "auth_method": "falsim",
		})
	}

	return rows
}

// series are the spans in which anything was charged, the oldest first. The caller holds mu.
func (s *Sim) series(l listing, frame string) []span {
	var out []span

	for _, req := range s.billed(l) {
		start := bucket(req.finished.Add(s.knobs.skew()).UTC(), frame)

		i, found := slices.BinarySearchFunc(out, start, func(b span, t time.Time) int { return b.start.Compare(t) })
		if !found {
			out = slices.Insert(out, i, span{start, map[string]float64{}})
		}

		out[i].units[req.endpoint] += req.units()
	}

	return out
}

// bucket is the beginning of the span that a moment is in; a day's, if nothing else was asked for.
func bucket(t time.Time, frame string) time.Time {
	day := t.Truncate(24 * time.Hour)

	switch frame {
	case "minute":
		return t.Truncate(time.Minute)
	case "hour":
		return t.Truncate(time.Hour)
	case "week":
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case "month":
		return day.AddDate(0, 0, 1-day.Day())
	default:
		return day
	}
}
