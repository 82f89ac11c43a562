package falsim

import (
	"fmt"
	"net/http"
	"time"
)

func (s *Sim) serveStatus(w http.ResponseWriter, r *http.Request, req *request) {
	if req == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"status": "NOT_FOUND"})

		return
	}

	w.Header().Set("X-Fal-Request-Id", req.id)

	d, status := s.readStatus(req, r)
	writeJSON(w, status, d)
}

// readStatus returns the status object and its HTTP status: 200 when it is over, 202 until then.
func (s *Sim) readStatus(req *request, r *http.Request) (map[string]any, int) {
	logs := r.URL.Query().Get("logs")

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	status := http.StatusAccepted
	if req.phase == done {
		status = http.StatusOK
	}

	return s.describeStatus(req, logs == "1" || logs == "true"), status
}

// serveStream sends the status whenever it changes, until the request is over. Each event has
// the log lines that the ones before had not: fal's JavaScript client adds them up.
func (s *Sim) serveStream(w http.ResponseWriter, r *http.Request, req *request) {
	if req == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"status": "NOT_FOUND"})

		return
	}

	const keepAlive = 15 * time.Second

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Fal-Request-Id", req.id)

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()

	out := http.NewResponseController(w)
	sent, lines, at := "", 0, time.Now()

	for {
		d, status := s.readStatus(req, r)
		all, _ := d["logs"].([]map[string]any)

		if state := fmt.Sprint(d["status"], d["queue_position"], len(all)); state != sent {
			if d["logs"] != nil {
				d["logs"] = all[min(lines, len(all)):]
			}

			sent, lines, at = state, len(all), time.Now()
			_, _ = fmt.Fprintf(w, "data: %s\n\n", encodeJSON(d))
		} else if time.Since(at) > keepAlive {
			at = time.Now()
			_, _ = fmt.Fprint(w, ": keep-alive\n\n")
		}

		if out.Flush() != nil || status == http.StatusOK {
			return
		}

		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.Context().Done():
			return
		}
	}
}

// serveResult answers exactly what the model answered, errors included.
func (s *Sim) serveResult(w http.ResponseWriter, _ *http.Request, req *request) {
	if req == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"detail": "Request not found"})

		return
	}

	s.mu.Lock()
	d := s.describeStatus(req, false)
	over, erased, o := req.phase == done, req.erased, req.outcome
	s.mu.Unlock()

	w.Header().Set("X-Fal-Request-Id", req.id)

	switch {
	case !over:
		writeJSON(w, http.StatusBadRequest, map[string]any{
			"detail": "Request is still in progress", "request_id": req.id,
			"response_url": d["response_url"], "status_url": d["status_url"], "cancel_url": d["cancel_url"],
		})
	case erased:
		writeJSON(w, http.StatusNotFound, map[string]any{"detail": "Request not found"})
	default:
		req.writeOutcome(w, o)
	}
}

// writeOutcome answers with what the model answered.
func (r *request) writeOutcome(w http.ResponseWriter, o outcome) {
	w.Header().Set("Content-Type", "application/json")

	for k, v := range o.header {
		w.Header().Set(k, v)
	}

	w.WriteHeader(o.status)
	_, _ = w.Write(r.resultBody())
}

// serveCancel follows fal's table: removed from the queue, asked to stop, too late, unknown.
func (s *Sim) serveCancel(w http.ResponseWriter, _ *http.Request, req *request) {
	if req == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"status": "NOT_FOUND"})

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	said := map[string]any{"status": "OK"}
	if s.knobs.OlderShapes {
		said = map[string]any{"success": true}
	}

	switch req.phase {
	// It waits: it leaves the queue and never runs.
	case queued:
		s.line.removeRequest(req)
		s.finishRequest(req, s.Clock.Now(), cancelledOutcome())
		writeJSON(w, http.StatusOK, said)
	// It runs: it is asked to stop, and need not.
	case running:
		req.cancelled = true
		if s.knobs.CancelStops {
			s.finishRequest(req, s.Clock.Now(), cancelledOutcome())
			s.advanceClock()
		}

		if s.knobs.OlderShapes {
			writeJSON(w, http.StatusOK, said)

			return
		}

		writeJSON(w, http.StatusAccepted, map[string]any{"status": "CANCELLATION_REQUESTED"})
	// It is over: too late.
	case done:
		writeJSON(w, http.StatusBadRequest, map[string]any{"status": "ALREADY_COMPLETED"})
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encodeJSON(body))
}
