package falsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// entry takes what may run, from the queue's door or from the one beside it.
type entry func(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any)

// checkSubmission refuses what never becomes a request: a wrong method or key, an empty balance, an app that
// is not there, a body that is no JSON.
func (s *Sim) checkSubmission(parts []string, enter entry) handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		endpoint := strings.Join(parts, "/")
		app := strings.Join(parts[:min(2, len(parts))], "/")

		switch {
		case r.Method != http.MethodPost:
			writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"detail": "Method Not Allowed"})

			return
		case !s.gate.authorizeCall(w, r, app):
			return
		case s.Knobs().ExhaustedBalance:
			writeJSON(w, http.StatusForbidden, map[string]any{"detail": lockedText})

			return
		case !knownApp(app):
			writeJSON(w, http.StatusNotFound, map[string]any{"detail": fmt.Sprintf("Application %q not found", parts[min(1, len(parts)-1)])})

			return
		}

		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()

		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]any{"detail": "Request body is not valid JSON"})

			return
		}

		enter(w, r, endpoint, app, object)
	}
}

// enqueueRequest puts a request into the queue. What is wrong with its input comes out later, through
// the result, as on the live queue.
func (s *Sim) enqueueRequest(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	if limit, err := strconv.Atoi(r.URL.Query().Get("fal_max_queue_length")); err == nil && len(s.line) > limit {
		w.Header().Set("X-Fal-Needs-Retry", "1")
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"detail": "Queue is full", "error_type": "queue_full"})

		return
	}

	req := s.newRequest(w, r, endpoint, app, body)
	if req == nil {
		return
	}

	s.line.add(req)
	s.limitStart(req, r.Header)

	answered := s.describeStatus(req, false)
	answered["queue_position"] = s.line.positionOf(req)

	if req.webhook != "" {
		answered["gateway_request_id"] = req.id
	}

	if s.knobs.QueueMS > 0 {
		s.Clock.At(req.submitted.Add(fromMillis(s.knobs.QueueMS)), func() {}) // to look at the queue then
	}

	s.advanceClock()
	answered["status"] = "IN_QUEUE" // as fal answers, even if a slot was free
	writeJSON(w, http.StatusOK, answered)
}

// newRequest writes a request down, or answers why not and returns nil. The caller holds mu.
func (s *Sim) newRequest(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) *request {
	if !validateTags(r.Header.Get("X-Fal-Tags")) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"detail": "Invalid X-Fal-Tags header"})

		return nil
	}

	req := &request{
		id: s.NewID(), endpoint: endpoint, app: app, base: s.Base(r), model: imitatedModels()[endpoint],
		webhook: r.URL.Query().Get("fal_webhook"),
		storeIO: r.Header.Get("X-Fal-Store-IO") != "0", submitted: s.Clock.Now(),
		noRetry: parseFlag(r.Header.Get("X-Fal-No-Retry")), noFall: parseFlag(r.Header.Get("X-App-Fal-Disable-Fallback")),
		low:       r.Header.Get("X-Fal-Queue-Priority") == "low",
		lifecycle: readLifecycle(r.Header.Get("X-Fal-Object-Lifecycle-Preference")),
		duration:  fromMillis(int64(float64(s.knobs.DurationMS) * (1 + s.knobs.Jitter*(2*s.Rand().Float64()-1)))),
		over:      make(chan struct{}),
	}
	seed := s.Rand().Int64N(1 << 31)

	if req.model != nil {
		req.input, req.problems = req.model.parseInput(body, seed)
	}

	if req.storeIO {
		req.body = body
	}

	req.gateway = req.id
	s.requests[req.id] = req
	s.order = append(s.order, req)
	s.count.Accepted++
	s.forgetOldest()

	return req
}

// validateTags checks tags as they are documented: up to 10 of "key=value", keys of 64 and values of
// 256 characters, 1,024 in all, none of fal's own. What fal does with others is not; here they
// are a bad request. https://fal.ai/docs (common parameters, read 2026-11)
func validateTags(header string) bool {
	if header == "" {
		return true
	}

	pairs := strings.Split(header, ",")
	fits := len(pairs) <= 10 && len(header) <= 1024

	for _, pair := range pairs {
		key, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		fits = fits && found && key != "" && len(key) <= 64 && len(value) <= 256 && !strings.HasPrefix(key, "fal.") &&
			strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
	}

	return fits
}

func parseFlag(header string) bool { return header == "1" || header == "true" || header == "yes" }

// limitStart ends a request that has not started within its own limit. The newer name wins.
func (s *Sim) limitStart(req *request, h http.Header) {
	limit := h.Get("X-Fal-Request-Start-Timeout")
	if limit == "" {
		limit = h.Get("X-Fal-Request-Timeout")
	}

	if seconds, err := strconv.ParseFloat(limit, 64); err == nil && seconds > 0.1 {
		end := req.submitted.Add(time.Duration(seconds * float64(time.Second)))

		s.Clock.At(end, func() {
			if req.phase == queued {
				s.line.removeRequest(req)
				s.finishRequest(req, end, notStartedOutcome())
			}
		})
	}
}

func knownApp(app string) bool {
	for id := range imitatedModels() {
		if strings.HasPrefix(id+"/", app+"/") && strings.Contains(app, "/") {
			return true
		}
	}

	return false
}
