package rules

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Apply serves a call as its rule says. Act does what the call asks for, and writes the reply.
func (s *Rules) Apply(rule *ActiveRule, w http.ResponseWriter, r *http.Request, act func(http.ResponseWriter)) {
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
	}

	if own, is := s.own[rule.Action]; is {
		own.Serve(w, r, rule.Variant)

		return
	}

	reply := &buffer{header: http.Header{}, code: http.StatusOK}
	act(reply)

	reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))
	s.spoil(rule, w, r, reply)
}

// spoil sends a reply that exists, but not as it is.
func (s *Rules) spoil(rule *ActiveRule, w http.ResponseWriter, r *http.Request, reply *buffer) {
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

		for from := 0; from < len(reply.body) && s.Sleep(r, rule.DelayMS); from += piece {
			_, _ = w.Write(reply.body[from:min(from+piece, len(reply.body))])
			_ = http.NewResponseController(w).Flush()
		}
	case ActRewrite:
		reply.rewrite(rule)
		reply.send(w, reply.body)
	case ActFlood:
		reply.header.Del("Content-Length")
		reply.send(w, nil)
		Flood(w)
	case ActGzipBomb:
		reply.body = s.packed()
		reply.header.Set("Content-Encoding", "gzip")
		reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))
		reply.send(w, reply.body)
	}
}

// hold waits for the rule's release or its own end; a caller that leaves first is cut off.
func (s *Rules) hold(rule *ActiveRule, r *http.Request) {
	change := func(by int) {
		s.lock.Lock()
		rule.Held += by
		s.lock.Unlock()
	}

	change(1)
	defer change(-1)

	var limit <-chan time.Time

	if rule.HoldMS > 0 {
		t := time.NewTimer(time.Duration(rule.HoldMS) * time.Millisecond)
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

// Sleep waits for some milliseconds of real time. It reports false when the caller or the simulator ended first.
func (s *Rules) Sleep(r *http.Request, millis int64) bool {
	if millis <= 0 {
		return true
	}

	t := time.NewTimer(time.Duration(millis) * time.Millisecond)
	defer t.Stop()

	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}

	return false
}
