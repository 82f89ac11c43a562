package falsim

import (
	"io"
	"net/http"

	"imagerun/internal/simulators/kit/rules"
)

type handler func(w http.ResponseWriter, r *http.Request, body []byte)

// on counts and records a call, and serves it as the rules say.
func (s *Sim) on(route string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return // the caller went away
		}

		s.mu.Lock()
		s.count.route(route)
		rule := s.rules.Take(route)
		if rule == nil {
			if f := s.monkey.Choose(route); f != nil {
				rule = f.ForCall(route, s.knobs.Chaos.Hold(), refusal)
			}
		}

		wait := s.knobs.LatencyMS
		n := s.record(route, r, body, rule)
		s.mu.Unlock()

		if rule != nil && rule.Action != ActSlow {
			wait += rule.DelayMS
		}

		if !rules.Sleep(s.ctx, r, wait) {
			return
		}

		seen := &statusWriter{ResponseWriter: w}
		defer func() { s.recordStatus(n, seen.code) }()

		if rule == nil {
			h(seen, r, body)

			return
		}

		s.rules.Apply(rule, seen, r, func(w http.ResponseWriter) { h(w, r, body) })
	}
}

// statusWriter remembers the answer's code for the log.
type statusWriter struct {
	http.ResponseWriter

	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}

	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
