package falsim

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const platformDocs = "https://docs.fal.ai/platform-apis"

// platform guards the platform API, whose errors have an envelope of their own.
// https://docs.fal.ai/platform-apis (read 2026-11)
func (s *Sim) platform(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.Header.Get("Authorization") != "Key "+s.opts.Key {
			s.refuse(w, http.StatusUnauthorized, "authorization_error", "Authentication required")

			return
		}

		h(w, r, body)
	}
}

func (s *Sim) refuse(w http.ResponseWriter, status int, kind, message string) {
	answer(w, status, map[string]any{"error": map[string]any{
		"type": kind, "message": message, "docs_url": platformDocs, "request_id": "falsim",
	}})
}

// serveFind lists the requests of an endpoint by when they were sent, the newest first.
// https://docs.fal.ai/platform-apis/v1/models/requests/by-endpoint (read 2026-11)
func (s *Sim) serveFind(w http.ResponseWriter, r *http.Request, _ []byte) {
	q, k := r.URL.Query(), s.Knobs()
	now := s.now().Add(k.skew())
	start, errStart := moment(q.Get("start"), now.Add(-24*time.Hour))
	end, errEnd := moment(q.Get("end"), now)
	limit, page := 50, 0

	if v := q.Get("limit"); v != "" {
		limit, _ = strconv.Atoi(v)
	}

	if raw, err := base64.StdEncoding.DecodeString(q.Get("cursor")); err == nil {
		page, _ = strconv.Atoi(string(raw))
	}

	if q.Get("endpoint_id") == "" || errStart != nil || errEnd != nil || limit < 1 || limit > 100 {
		s.refuse(w, http.StatusBadRequest, "validation_error", "Invalid query parameters")

		return
	}

	answer(w, http.StatusOK, s.page(q, start, end, page, limit))
}

func (s *Sim) page(q url.Values, start, end time.Time, page, limit int) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	skew := s.knobs.skew()
	start, end = start.Add(-skew), end.Add(-skew)

	var found []*request
	for _, req := range slices.Backward(s.order) {
		if req.endpoint == q.Get("endpoint_id") && !req.submitted.Before(start) && !req.submitted.After(end) && fits(req, q.Get("request_id"), q.Get("status")) {
			found = append(found, req)
		}
	}

	items := []map[string]any{}
	for _, req := range found[min(page*limit, len(found)):min((page+1)*limit, len(found))] {
		items = append(items, req.row(skew))
	}

	out := map[string]any{"items": items, "next_cursor": nil, "has_more": false}
	if len(found) > (page+1)*limit {
		out["next_cursor"], out["has_more"] = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(page+1))), true
	}

	return out
}

func (r *request) row(skew time.Duration) map[string]any {
	row := map[string]any{
		"request_id": r.id, "endpoint_id": r.endpoint, "sent_at": stamp(r.submitted, skew),
		"started_at": stamp(r.started, skew), "ended_at": stamp(r.finished, skew), "status_code": nil, "duration": nil,
	}

	if r.phase == done {
		row["status_code"], row["duration"] = r.outcome.status, r.finished.Sub(r.submitted).Seconds()
	}

	return row
}

func fits(r *request, id, status string) bool {
	if id != "" && r.id != id {
		return false
	}

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

// serveErase deletes payloads and output files, and says for each file whether it worked.
func (s *Sim) serveErase(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	req := s.requests[r.PathValue("id")]
	if req == nil {
		s.refuse(w, http.StatusNotFound, "not_found", "Request not found")

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

	answer(w, http.StatusOK, map[string]any{"cdn_delete_results": results})
}

func (s *Sim) servePricing(w http.ResponseWriter, r *http.Request, _ []byte) {
	prices := []map[string]any{}

	for _, id := range r.URL.Query()["endpoint_id"] {
		if m := models()[id]; m != nil {
			prices = append(prices, map[string]any{"endpoint_id": id, "unit_price": m.price, "unit": "megapixel", "currency": "USD"})
		}
	}

	answer(w, http.StatusOK, map[string]any{"prices": prices, "next_cursor": nil, "has_more": false})
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

	answer(w, http.StatusOK, out)
}

func (s *Sim) serveMeta(w http.ResponseWriter, _ *http.Request, _ []byte) {
	answer(w, http.StatusOK, map[string]any{"webhook_ip_ranges": []string{"127.0.0.1/32", "::1/128"}})
}

func moment(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}

	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}

	return time.Parse(time.RFC3339, text)
}

func stamp(t time.Time, skew time.Duration) any {
	if t.IsZero() {
		return nil
	}

	return t.Add(skew).UTC().Format(time.RFC3339Nano)
}
