package falsim

import (
	"fmt"
	"net/http"
	"slices"
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
		s.On(RouteSubmit, s.checkSubmission(parts, s.enqueueRequest))(w, r)

		return
	}

	app, id, verb := strings.Join(parts[:2], "/"), "", ""
	if len(parts) > at+1 {
		id, verb = parts[at+1], strings.Join(parts[at+2:], "/")
	}

	one := func(route, method string, h func(http.ResponseWriter, *http.Request, *request)) {
		s.On(route, func(w http.ResponseWriter, r *http.Request, _ []byte) {
			if r.Method != method {
				writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"detail": "Method Not Allowed"})
			} else if s.gate.authorizeCall(w, r, app) {
				h(w, r, s.findRequest(app, id))
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
		writeJSON(w, http.StatusNotFound, map[string]any{"detail": "Path not found"})
	}
}

// findRequest returns the request after everything that is due has happened, or nil.
func (s *Sim) findRequest(app, id string) *request {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	if r := s.requests[id]; r != nil && r.app == app && !(r.phase == done && s.Clock.Now().After(r.expiresAt(s.knobs.ResultTTLMS))) {
		return r
	}

	return nil
}

// describeStatus is the status object. The caller holds mu.
func (s *Sim) describeStatus(r *request, logs bool) map[string]any {
	self := r.base + "/queue/" + r.app + "/requests/" + r.id
	d := map[string]any{
		"status": "IN_QUEUE", "request_id": r.id, "response_url": self, "status_url": self + "/status",
		"cancel_url": self + "/cancel", "logs": nil, "metrics": map[string]any{},
	}

	if s.knobs.OlderShapes {
		d["response_url"] = r.base + "/queue/" + r.endpoint + "/requests/" + r.id + "/response"
	}

	if logs {
		d["logs"] = r.logLines(s.Clock.Now(), s.knobs.clockSkew())
	}

	switch r.phase {
	case queued:
		d["queue_position"] = s.line.positionOf(r)
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

// barSteps is how many steps a picture takes, as its log tells.
const barSteps = 8

func (r *request) logLines(now time.Time, skew time.Duration) []map[string]any {
	line := func(at time.Time, text string) map[string]any {
		return map[string]any{"message": text, "timestamp": at.Add(skew).UTC().Format("2006-01-02T15:04:05.000Z"), "level": "INFO", "source": "USER"}
	}
	lines := []map[string]any{}

	if !r.started.IsZero() {
		lines = append(lines, line(r.started, "Painting started."))
	}

	// A progress bar as Python's tqdm writes it, which is what the image models log.
	for step := 1; step <= barSteps && !r.started.IsZero(); step++ {
		at := r.started.Add(r.duration * time.Duration(step) / barSteps)
		if at.After(now) || r.phase == done && at.After(r.finished) {
			break
		}

		lines = append(lines, line(at, fmt.Sprintf("%3d%%|%-10s| %d/%d", 100*step/barSteps, strings.Repeat("█", 10*step/barSteps), step, barSteps)))
	}

	if r.phase == done {
		lines = append(lines, line(r.finished, "Painting ended."))
	}

	return lines
}
