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

// billableUnits is what a finished request is charged for: nothing if it failed.
func (r *request) billableUnits() float64 {
	n, err := strconv.ParseFloat(r.outcome.header["X-Fal-Billable-Units"], 64)
	if err != nil || r.phase != done {
		return 0
	}

	return n
}

func (r *request) billedCost() float64 { return r.billableUnits() * r.model.price }

// selectBilled are the charged requests that a listing asks for, by their ends. The caller holds mu.
func (s *Sim) selectBilled(l listing) []*request {
	var found []*request

	for _, req := range slices.Backward(s.order) {
		if req.billableUnits() > 0 && l.namesRequest(req) && !req.finished.Before(l.start) && req.finished.Before(l.end) {
			found = append(found, req)
		}
	}

	return found
}

// meanCost is what a call of an endpoint has cost on average; one unit if there was none.
func (s *Sim) meanCost(endpoint string, m *model) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	calls, total := 0, 0.0

	for _, req := range s.order {
		if req.endpoint == endpoint && req.billableUnits() > 0 {
			calls++
			total += req.billedCost()
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
	l, ok := s.readListing(r, maxBilled)
	if !ok || l.end.Sub(l.start) > maxBilledSpan {
		s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	skew := s.knobs.clockSkew()
	writeJSON(w, http.StatusOK, pageOf(l, "billing_events", s.selectBilled(l), func(req *request) map[string]any {
		return map[string]any{
			"request_id": req.id, "endpoint_id": req.endpoint, "timestamp": formatTime(req.finished, skew),
			"output_units": req.billableUnits(), "unit_price": req.model.price, "percent_discount": 0,
			"cost_subtotal": req.billedCost(), "cost_discount": 0, "cost_total": req.billedCost(),
			"cost_estimate_nano_usd": int64(math.Round(req.billedCost() * 1e9)),
		}
	}))
}

// serveUsage adds up what was charged, by endpoint and span of time.
// https://docs.fal.ai/platform-apis/v1/models/usage (read 2026-11)
func (s *Sim) serveUsage(w http.ResponseWriter, r *http.Request, _ []byte) {
	l, ok := s.readListing(r, maxBilled)
	frame := r.URL.Query().Get("timeframe")

	if !ok || !slices.Contains([]string{"", "minute", "hour", "day", "week", "month"}, frame) {
		s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	writeJSON(w, http.StatusOK, pageOf(l, "time_series", s.usageSeries(l, frame), func(b span) map[string]any {
		return map[string]any{"bucket": b.start.Format(time.RFC3339), "results": b.usageRows()}
	}))
}

// span is a bucket of the usage: units by endpoint.
type span struct {
	start time.Time
	units map[string]float64
}

func (b span) usageRows() []map[string]any {
	rows := []map[string]any{}

	for _, id := range sortedKeys(b.units) {
		m := imitatedModels()[id]
		rows = append(rows, map[string]any{
			"endpoint_id": id, "unit": unit, "quantity": b.units[id], "unit_price": m.price,
			"cost": b.units[id] * m.price, "currency": "USD", "auth_method": "falsim",
		})
	}

	return rows
}

// usageSeries are the spans in which anything was charged, the oldest first. The caller holds mu.
func (s *Sim) usageSeries(l listing, frame string) []span {
	var out []span

	for _, req := range s.selectBilled(l) {
		start := bucketStart(req.finished.Add(s.knobs.clockSkew()).UTC(), frame)

		i, found := slices.BinarySearchFunc(out, start, func(b span, t time.Time) int { return b.start.Compare(t) })
		if !found {
			out = slices.Insert(out, i, span{start, map[string]float64{}})
		}

		out[i].units[req.endpoint] += req.billableUnits()
	}

	return out
}

// bucketStart is the beginning of the span that a moment is in; a day's, if nothing else was asked for.
func bucketStart(t time.Time, frame string) time.Time {
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
