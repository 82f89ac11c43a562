package falsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lockedText is what fal says when its account is empty.
const lockedText = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."

// serveQueue is the queue host: POST /{model id} submits, and .../{owner}/{app}[/sub]/requests/
// {id}[/status[/stream]|/cancel|/response] looks after what was submitted. The sub path is
// tolerated and not required, as is a slash at the end.
// https://fal.ai/docs/inference-api/queue (read 2026-11)
func (s *Sim) serveQueue(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/queue"), "/"), "/")
	at := slices.Index(parts, "requests")

	if at < 2 {
		s.on(RouteSubmit, s.submit(parts))(w, r)

		return
	}

	app, id, verb := strings.Join(parts[:2], "/"), "", ""
	if len(parts) > at+1 {
		id, verb = parts[at+1], strings.Join(parts[at+2:], "/")
	}

	one := func(route, method string, h func(http.ResponseWriter, *http.Request, *request)) {
		s.on(route, func(w http.ResponseWriter, r *http.Request, _ []byte) {
			if r.Method != method {
				answer(w, http.StatusMethodNotAllowed, map[string]any{"detail": "Method Not Allowed"})
			} else if s.authorized(w, r, app) {
				h(w, r, s.find(app, id))
			}
		})(w, r)
	}

	switch verb {
	case "status":
		one(RouteStatus, http.MethodGet, s.serveStatus)
	case "status/stream":
		one(RouteStream, http.MethodGet, s.serveStream)
	case "", "response":
		one(RouteResult, http.MethodGet, s.serveResult)
	case "cancel":
		one(RouteCancel, http.MethodPut, s.serveCancel)
	default:
		answer(w, http.StatusNotFound, map[string]any{"detail": "Path not found"})
	}
}

// find returns the request after everything that is due has happened, or nil.
func (s *Sim) find(app, id string) *request {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	if r := s.requests[id]; r != nil && r.app == app && !(r.phase == done && s.now().After(s.expires(r))) {
		return r
	}

	return nil
}

func (s *Sim) authorized(w http.ResponseWriter, r *http.Request, app string) bool {
	key, isKey := strings.CutPrefix(r.Header.Get("Authorization"), "Key ")

	var detail string

	switch {
	case r.Header.Get("Authorization") == "":
		detail = fmt.Sprintf("Cannot access application %q. Authentication is required to access this application.", app)
	case !isKey || !strings.Contains(key, ":"):
		detail = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
	case key != s.opts.Key:
		detail = "No user found for Key ID and Secret"
	default:
		return true
	}

	answer(w, http.StatusUnauthorized, map[string]any{"detail": detail})

	return false
}

func (s *Sim) submit(parts []string) handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		endpoint := strings.Join(parts, "/")
		app := strings.Join(parts[:min(2, len(parts))], "/")

		switch {
		case r.Method != http.MethodPost:
			answer(w, http.StatusMethodNotAllowed, map[string]any{"detail": "Method Not Allowed"})

			return
		case !s.authorized(w, r, app):
			return
		case s.Knobs().ExhaustedBalance:
			answer(w, http.StatusForbidden, map[string]any{"detail": lockedText})

			return
		case !knownApp(app):
			answer(w, http.StatusNotFound, map[string]any{"detail": fmt.Sprintf("Application %q not found", parts[min(1, len(parts)-1)])})

			return
		}

		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()

		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"detail": "Request body is not valid JSON"})

			return
		}

		s.accept(w, r, endpoint, app, object)
	}
}

// accept puts a request into the queue. What is wrong with its input comes out later, through
// the result, as on the live queue.
func (s *Sim) accept(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	if limit, err := strconv.Atoi(r.URL.Query().Get("fal_max_queue_length")); err == nil && len(s.queue) > limit {
		w.Header().Set("X-Fal-Needs-Retry", "1")
		answer(w, http.StatusTooManyRequests, map[string]any{"detail": "Queue is full", "error_type": "queue_full"})

		return
	}

	req := &request{
		id: s.newID(), endpoint: endpoint, app: app, base: s.base(r), model: models()[endpoint],
		webhook: r.URL.Query().Get("fal_webhook"),
		storeIO: r.Header.Get("X-Fal-Store-IO") != "0", submitted: s.now(),
		duration: millis(int64(float64(s.knobs.DurationMS) * (1 + s.knobs.Jitter*(2*s.rng.Float64()-1)))),
	}
	seed := s.rng.Int64N(1 << 31)

	if req.model != nil {
		req.input, req.problems = req.model.read(body, seed)
	}

	var lifecycle struct {
		Seconds *float64 `json:"expiration_duration_seconds"`
	}
	if json.Unmarshal([]byte(r.Header.Get("X-Fal-Object-Lifecycle-Preference")), &lifecycle) == nil && lifecycle.Seconds != nil {
		req.keepFiles = time.Duration(*lifecycle.Seconds * float64(time.Second))
	}

	s.requests[req.id] = req
	s.order = append(s.order, req)
	s.queue = append(s.queue, req)
	s.count.Accepted++
	s.forget()
	s.limitStart(req, r.Header)

	answered := s.describe(req, false)
	answered["queue_position"] = len(s.queue) - 1

	if req.webhook != "" {
		answered["gateway_request_id"] = req.id
	}

	if s.knobs.QueueMS > 0 {
		s.at(req.submitted.Add(millis(s.knobs.QueueMS)), func() {}) // to look at the queue then
	}

	s.advance()
	answered["status"] = "IN_QUEUE" // as fal answers, even if a slot was free
	answer(w, http.StatusOK, answered)
}

// limitStart ends a request that has not started within its own limit. The newer name wins.
func (s *Sim) limitStart(req *request, h http.Header) {
	limit := h.Get("X-Fal-Request-Start-Timeout")
	if limit == "" {
		limit = h.Get("X-Fal-Request-Timeout")
	}

	if seconds, err := strconv.ParseFloat(limit, 64); err == nil && seconds > 0.1 {
		end := req.submitted.Add(time.Duration(seconds * float64(time.Second)))

		s.at(end, func() {
			if req.phase == queued {
				s.dequeue(req)
				s.finish(req, end, notStarted())
			}
		})
	}
}

// describe is the status object. The caller holds mu.
func (s *Sim) describe(r *request, logs bool) map[string]any {
	self := r.base + "/queue/" + r.app + "/requests/" + r.id
	d := map[string]any{
		"status": "IN_QUEUE", "request_id": r.id, "response_url": self, "status_url": self + "/status",
		"cancel_url": self + "/cancel", "logs": nil, "metrics": map[string]any{},
	}

	if logs {
		d["logs"] = r.logs()
	}

	switch r.phase {
	case queued:
		d["queue_position"] = s.position(r)
	case running:
		d["status"] = "IN_PROGRESS"
	case done:
		d["status"] = "COMPLETED"

		if r.outcome.status == http.StatusOK {
			d["metrics"] = map[string]any{"inference_time": r.duration.Seconds()}
		} else {
			d["error"] = r.outcome.message
		}

		if r.outcome.errorType != "" {
			d["error_type"] = r.outcome.errorType
		}
	}

	return d
}

func (r *request) logs() []map[string]any {
	line := func(at time.Time, text string) map[string]any {
		return map[string]any{"message": text, "timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"), "level": "INFO", "source": "USER"}
	}
	lines := []map[string]any{}

	if !r.started.IsZero() {
		lines = append(lines, line(r.started, "Painting started."))
	}

	if r.phase == done {
		lines = append(lines, line(r.finished, "Painting ended."))
	}

	return lines
}

func (s *Sim) base(r *http.Request) string {
	if s.opts.BaseURL != "" {
		return strings.TrimSuffix(s.opts.BaseURL, "/")
	}

	if r.TLS != nil {
		return "https://" + r.Host
	}

	return "http://" + r.Host
}

// newID makes a UUID of version 4 from the seeded numbers. The caller holds mu.
func (s *Sim) newID() string {
	a, b := s.rng.Uint64(), s.rng.Uint64()

	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

func knownApp(app string) bool {
	for id := range models() {
		if strings.HasPrefix(id+"/", app+"/") && strings.Contains(app, "/") {
			return true
		}
	}

	return false
}
