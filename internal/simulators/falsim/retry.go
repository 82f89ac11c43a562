package falsim

import (
	"net/http"
	"time"
)

// endAttempt ends an attempt to run a request: for good, or fal tries once more.
func (s *Sim) endAttempt(r *request, t time.Time) {
	if r.phase != running {
		return
	}

	o := s.decideOutcome(r)
	if r.triesAgain(o) {
		s.running--
		r.phase, r.tries, r.gateway = queued, r.tries+1, s.NewID()
		s.line.add(r)
		s.count.Retried++

		return
	}

	s.finishRequest(r, t, o)
}

const (
	maxAttempts   = 10
	fallbackAfter = 5
)

// triesAgain follows fal's rule: 503, 504 and lost runners up to 10 attempts, nothing else, and
// not if the caller said no. After 5 another endpoint of the same kind takes over, which here
// always succeeds. https://fal.ai/docs (queue reliability, read 2026-11)
func (r *request) triesAgain(o outcome) bool {
	return !r.noRetry && !r.cancelled && r.tries+1 < maxAttempts &&
		(o.status == http.StatusServiceUnavailable || o.status == http.StatusGatewayTimeout)
}
