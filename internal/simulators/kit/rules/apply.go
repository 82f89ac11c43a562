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
		resetConnection(w)

		return
	case ActHang:
		s.holdCall(rule, r)
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
	s.sendSpoiled(rule, w, r, reply)
}

// sendSpoiled sends a reply that exists, but not as it is.
func (s *Rules) sendSpoiled(rule *ActiveRule, w http.ResponseWriter, r *http.Request, reply *buffer) {
	half := len(reply.body) / 2

	switch rule.Action {
	case ActLose:
		panic(http.ErrAbortHandler)
	case ActWithhold:
		s.holdCall(rule, r)
		reply.sendPart(w, reply.body)
	case ActStall:
		reply.sendPart(w, reply.body[:half])
		s.holdCall(rule, r)
		_, _ = w.Write(reply.body[half:])
	case ActTruncate:
		reply.sendPart(w, reply.body[:half])
		panic(http.ErrAbortHandler)
	case ActHalve:
		reply.header.Set("Content-Length", strconv.Itoa(half))
		reply.sendPart(w, reply.body[:half])
	case ActSpill:
		spillReply(w, reply, half)
	case ActSlow:
		piece := len(reply.body)/20 + 1
		reply.sendPart(w, nil)

		for from := 0; from < len(reply.body) && s.Sleep(r, rule.DelayMS); from += piece {
			_, _ = w.Write(reply.body[from:min(from+piece, len(reply.body))])
			_ = http.NewResponseController(w).Flush()
		}
	case ActRewrite:
		reply.applyRewrite(rule)
		reply.sendPart(w, reply.body)
	case ActFlood:
		reply.header.Del("Content-Length")
		reply.sendPart(w, nil)
		Flood(w)
	case ActGzipBomb:
		reply.body = s.packed()
		reply.header.Set("Content-Encoding", "gzip")
		reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))
		reply.sendPart(w, reply.body)
	}
}

// holdCall waits for the rule's release or its own end; a caller that leaves first is cut off.
func (s *Rules) holdCall(rule *ActiveRule, r *http.Request) {
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
