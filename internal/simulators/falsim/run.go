package falsim

import (
	"net/http"
	"strings"
)

// serveRun is the synchronous host: POST /{model id} runs a model at once and answers as the model
// does, errors included. It never waits for a slot, and nobody tries again but the caller; one that
// goes away has ended its request. https://docs.fal.ai/model-apis/model-endpoints/synchronous-requests
// (read 2026-11)
func (s *Sim) serveRun(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/run"), "/"), "/")
	s.On(RouteRun, s.admit(parts, s.run))(w, r)
}

func (s *Sim) run(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) {
	req := s.runNow(w, r, endpoint, app, body)
	if req == nil {
		return
	}

	select {
	case <-req.over:
	case <-r.Context().Done():
		s.mu.Lock()
		s.finish(req, s.Clock.Now(), infraError(statusClientClosed, clientGone, infraText(clientGone)))
		s.advance()
		s.mu.Unlock()

		return
	case <-s.Context().Done():
		panic(http.ErrAbortHandler)
	}

	s.mu.Lock()
	o := req.outcome
	s.mu.Unlock()

	req.reveal(w, o)
}

// runNow starts a request, or answers why not and returns nil.
func (s *Sim) runNow(w http.ResponseWriter, r *http.Request, endpoint, app string, body map[string]any) *request {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	if s.knobs.Slots > 0 && s.running >= s.knobs.Slots {
		w.Header().Set("X-Fal-Needs-Retry", "1")
		answer(w, http.StatusTooManyRequests, map[string]any{
			"detail": "Concurrent requests limit reached", "error_type": "concurrent_requests_limit",
		})

		return nil
	}

	req := s.newRequest(w, r, endpoint, app, body)
	if req != nil {
		req.noRetry, req.webhook = true, ""
		s.start(req, req.submitted)
		s.advance()
	}

	return req
}
