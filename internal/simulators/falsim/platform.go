package falsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const platformDocs = "https://docs.fal.ai/platform-apis"

// requireKey guards the platform API, whose errors have an envelope of their own.
// https://docs.fal.ai/platform-apis (read 2026-11)
func (s *Sim) requireKey(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if key, isKey := strings.CutPrefix(r.Header.Get("Authorization"), "Key "); !isKey || !s.knowsKey(key) {
			s.refuseCall(w, http.StatusUnauthorized, "authorization_error", "Authentication required")

			return
		}

		h(w, r, body)
	}
}

// requireAdmin guards what a key that may only run models may not do.
func (s *Sim) requireAdmin(h handler) handler {
	return s.requireKey(func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.Header.Get("Authorization") != "Key "+s.opts.Key {
			s.refuseCall(w, http.StatusForbidden, "authorization_error", "Admin API key required")

			return
		}

		h(w, r, body)
	})
}

// knowsKey reports whether the key is one of the account's.
func (s *Sim) knowsKey(key string) bool {
	return key == s.opts.Key || s.opts.RunKey != "" && key == s.opts.RunKey
}

func (s *Sim) refuseCall(w http.ResponseWriter, status int, kind, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"type": kind, "message": message, "docs_url": platformDocs, "request_id": "falsim",
	}})
}

// serveFind lists requests by when they were sent, the newest first: of one endpoint, or with search
// of all of them.
// https://docs.fal.ai/platform-apis/v1/models/requests/by-endpoint (read 2026-11)
func (s *Sim) serveFind(search bool) handler {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) {
		l, ok := s.readListing(r, maxFound)
		if !ok || !search && len(l.endpoints) == 0 {
			s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

			return
		}

		s.mu.Lock()
		defer s.mu.Unlock()

		s.advanceClock()

		skew := s.knobs.clockSkew()
		writeJSON(w, http.StatusOK, pageOf(l, "items", s.selectListed(l), func(req *request) map[string]any {
			row := req.listingRow(skew)
			if slices.Contains(l.expand, "payloads") {
				row["json_input"], row["json_output"] = req.keptPayloads()
			}

			return row
		}))
	}
}

// selectListed are the requests that a listing asks for. The caller holds mu.
func (s *Sim) selectListed(l listing) []*request {
	var found []*request

	for _, req := range slices.Backward(s.order) {
		if l.namesRequest(req) && !req.submitted.Before(l.start) && !req.submitted.After(l.end) && hasStatus(req, l.status) {
			found = append(found, req)
		}
	}

	return found
}

// keptPayloads are what went in and came out, while it is kept.
func (r *request) keptPayloads() (in, out any) {
	if r.erased || r.body == nil {
		return nil, nil
	}

	if r.phase == done && json.Valid(r.outcome.body) {
		out = json.RawMessage(r.outcome.body)
	}

	return r.body, out
}

func (r *request) listingRow(skew time.Duration) map[string]any {
	row := map[string]any{
		"request_id": r.id, "endpoint_id": r.endpoint, "sent_at": formatTime(r.submitted, skew),
		"started_at": formatTime(r.started, skew), "ended_at": formatTime(r.finished, skew), "status_code": nil, "duration": nil,
	}

	if r.phase == done {
		row["status_code"], row["duration"] = r.outcome.status, r.finished.Sub(r.submitted).Seconds()
	}

	return row
}

func hasStatus(r *request, status string) bool {
	switch status {
	case "success":
		return r.outcome.status == http.StatusOK
	case "error":
		return r.outcome.status >= 500
	case "user_error":
		return r.outcome.status >= 400 && r.outcome.status < 500
	default:
		return true
	}
}

// erasureKept is how long an erasure is remembered under its idempotency key.
const erasureKept = 10 * time.Minute

// erasure is an answer that is given again.
type erasure struct {
	until  time.Time
	answer map[string]any
}

// serveErase deletes payloads and output files, and says for each file whether it worked.
// https://docs.fal.ai/platform-apis/v1/models/requests/payloads (read 2026-11)
func (s *Sim) serveErase(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	req := s.requests[r.PathValue("id")]
	if req == nil {
		s.refuseCall(w, http.StatusNotFound, "not_found", "Request not found")

		return
	}

	key := r.Header.Get("Idempotency-Key")
	if e := s.erasures[key+" "+req.id]; s.now().Before(e.until) {
		writeJSON(w, http.StatusOK, e.answer)

		return
	}

	results := []map[string]any{}

	for _, p := range req.paths {
		line := map[string]any{"link": req.base + "/files/b/" + p, "exception": nil}
		if s.knobs.EraseFails {
			line["exception"] = "Timeout while deleting file"
		}

		results = append(results, line)
	}

	if !s.knobs.EraseFails && req.phase == done {
		req.erased = true
		s.count.Erased++
	}

	e := erasure{s.now().Add(erasureKept), map[string]any{"cdn_delete_results": results}}
	maps.DeleteFunc(s.erasures, func(_ string, old erasure) bool { return !s.now().Before(old.until) })

	if key != "" {
		s.erasures[key+" "+req.id] = e
	}

	writeJSON(w, http.StatusOK, e.answer)
}

func (s *Sim) servePricing(w http.ResponseWriter, r *http.Request, _ []byte) {
	prices := []map[string]any{}

	for _, id := range r.URL.Query()["endpoint_id"] {
		if m := imitatedModels()[id]; m != nil {
			prices = append(prices, map[string]any{"endpoint_id": id, "unit_price": m.price, "unit": unit, "currency": "USD"})
		}
	}

	writeJSON(w, http.StatusOK, map[string]any{"prices": prices, "next_cursor": nil, "has_more": false})
}

// serveEstimate works out what so many units, or so many calls, would cost. What a call costs is the
// mean of those that were made, or else one unit.
// https://docs.fal.ai/platform-apis/v1/models/pricing/estimate (read 2026-11)
func (s *Sim) serveEstimate(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct {
		Type      string `json:"estimate_type"`
		Endpoints map[string]struct {
			Units *float64 `json:"unit_quantity"`
			Calls *float64 `json:"call_quantity"`
		} `json:"endpoints"`
	}

	historical := json.Unmarshal(body, &in) == nil && in.Type == "historical_api_price"
	if !historical && in.Type != "unit_price" || len(in.Endpoints) == 0 {
		s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid request body")

		return
	}

	total := 0.0

	for id, e := range in.Endpoints {
		m, quantity := imitatedModels()[id], e.Units
		if m == nil {
			s.refuseCall(w, http.StatusNotFound, "not_found", "Endpoint not found: "+id)

			return
		}

		each := m.price
		if historical {
			quantity, each = e.Calls, s.meanCost(id, m)
		}

		if quantity == nil || *quantity < 0 {
			s.refuseCall(w, http.StatusBadRequest, "validation_error", "Invalid quantity for "+id)

			return
		}

		total += *quantity * each
	}

	writeJSON(w, http.StatusOK, map[string]any{"estimate_type": in.Type, "total_cost": total, "currency": "USD"})
}

func (s *Sim) serveBilling(w http.ResponseWriter, r *http.Request, _ []byte) {
	out := map[string]any{"username": strings.TrimPrefix(s.opts.UserID, "user_")}

	if r.URL.Query().Get("expand") == "credits" {
		balance := 24.5
		if s.Knobs().ExhaustedBalance {
			balance = 0
		}

		out["credits"] = map[string]any{"current_balance": balance, "currency": "USD"}
	}

	writeJSON(w, http.StatusOK, out)
}

func (s *Sim) serveMeta(w http.ResponseWriter, _ *http.Request, _ []byte) {
	writeJSON(w, http.StatusOK, map[string]any{"webhook_ip_ranges": []string{"127.0.0.1/32", "::1/128"}})
}
