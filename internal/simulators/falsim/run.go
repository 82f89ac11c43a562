package falsim

import (
	"net/http"
	"strings"
)

// serveRun is the synchronous host: POST /{model id} runs a model at once and answers as the model
// does, errors included. It never waits for a slot, and only the caller tries again; one that
// goes away has ended its request. https://docs.fal.ai/model-apis/model-endpoints/synchronous-requests
// (read 2026-11)
func (s *Sim) serveRun(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/run"), "/"), "/")
	s.On(RouteRun, s.checkSubmission(parts, s.runAndWait))(w, r)
}

func (s *Sim) runAndWait(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) {
	req := s.runNow(w, r, endpoint, app, body)
	if req == nil {
		return
	}

	select {
	case <-req.over:
	case <-r.Context().Done():
		s.mu.Lock()
		s.finishRequest(req, s.Clock.Now(), infraError(statusClientClosed, clientGone, infraText(clientGone)))
		s.advanceClock()
		s.mu.Unlock()

		return
	case <-s.Context().Done():
		panic(http.ErrAbortHandler)
	}

	s.mu.Lock()
	o := req.outcome
	s.mu.Unlock()

	req.writeOutcome(w, o)
}

// runNow starts a request, or answers why not and returns nil.
func (s *Sim) runNow(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) *request {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advanceClock()

	if s.knobs.Slots > 0 && s.running >= s.knobs.Slots {
		w.Header().Set("X-Fal-Needs-Retry", "1")
		writeJSON(w, http.StatusTooManyRequests, map[string]any{
			"detail": "Concurrent requests limit reached", "error_type": "concurrent_requests_limit",
		})

		return nil
	}

	req := s.newRequest(w, r, endpoint, app, body)
	if req != nil {
		req.noRetry, req.webhook = true, ""
		s.startRequest(req, req.submitted)
		s.advanceClock()
	}

	return req
}
