package falsim

import (
	"io"
	"net/http"
	"strconv"
	"time"
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
		rule := s.take(route)
		if rule == nil {
			if d := s.disturb(route); d != nil {
				rule = s.force(route, d)
			}
		}

		wait := millis(s.knobs.LatencyMS)
		n := s.record(route, r, body, rule)
		s.mu.Unlock()

		if rule != nil && rule.Action != ActSlow {
			wait += millis(rule.DelayMS)
		}

		if !s.sleep(r, wait) {
			return
		}

		seen := &status{ResponseWriter: w}
		defer func() { s.recordStatus(n, seen.code) }()

		if rule == nil {
			h(seen, r, body)

			return
		}

		s.obey(rule, seen, r, func(w http.ResponseWriter) { h(w, r, body) })
	}
}

func (s *Sim) obey(rule *rule, w http.ResponseWriter, r *http.Request, act func(http.ResponseWriter)) {
	switch rule.Action {
	case ActAnswer:
		w.Header().Set("Content-Type", "application/json")

		for k, v := range rule.Headers {
			w.Header().Set(k, v)
		}

		w.WriteHeader(rule.Status)
		_, _ = io.WriteString(w, rule.Body)

		return
	case ActDrop:
		panic(http.ErrAbortHandler)
	case ActReset:
		reset(w)

		return
	case ActHang:
		s.hold(rule, r)
		act(w)

		return
	case ActPoison:
		s.serveMedia(w, r, rule.Poison)

		return
	}

	reply := &buffer{header: http.Header{}, code: http.StatusOK}
	act(reply)

	reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))
	s.spoil(rule, w, r, reply)
}

// spoil sends a reply that exists, but not as it is.
func (s *Sim) spoil(rule *rule, w http.ResponseWriter, r *http.Request, reply *buffer) {
	half := len(reply.body) / 2

	switch rule.Action {
	case ActLose:
		panic(http.ErrAbortHandler)
	case ActWithhold:
		s.hold(rule, r)
		reply.send(w, reply.body)
	case ActStall:
		reply.send(w, reply.body[:half])
		s.hold(rule, r)
		_, _ = w.Write(reply.body[half:])
	case ActTruncate:
		reply.send(w, reply.body[:half])
		panic(http.ErrAbortHandler)
	case ActHalve:
		reply.header.Set("Content-Length", strconv.Itoa(half))
		reply.send(w, reply.body[:half])
	case ActSpill:
		spill(w, reply, half)
	case ActSlow:
		piece := len(reply.body)/20 + 1
		reply.send(w, nil)

		for from := 0; from < len(reply.body) && s.sleep(r, millis(rule.DelayMS)); from += piece {
			_, _ = w.Write(reply.body[from:min(from+piece, len(reply.body))])
			_ = http.NewResponseController(w).Flush()
		}
	case ActRewrite:
		reply.rewrite(rule)
		reply.send(w, reply.body)
	case ActFlood:
		reply.header.Del("Content-Length")
		reply.send(w, nil)
		flood(w)
	case ActGzipBomb:
		reply.body = s.bomb.packed()
		reply.header.Set("Content-Encoding", "gzip")
		reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))
		reply.send(w, reply.body)
	}
}

// hold waits for the rule's release or its own end; a caller that leaves first is cut off.
func (s *Sim) hold(rule *rule, r *http.Request) {
	change := func(by int) {
		s.mu.Lock()
		rule.Held += by
		s.mu.Unlock()
	}

	change(1)
	defer change(-1)

	var limit <-chan time.Time

	if rule.HoldMS > 0 {
		t := time.NewTimer(millis(rule.HoldMS))
		defer t.Stop()

		limit = t.C
	}

	select {
	case <-rule.open:
	case <-limit:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

func (s *Sim) sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}

	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}

	return false
}
