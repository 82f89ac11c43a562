package falsim

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The routes, as rules and statistics name them.
const (
	RouteSubmit  = "submit"
	RouteStatus  = "status"
	RouteStream  = "stream"
	RouteResult  = "result"
	RouteCancel  = "cancel"
	RouteFind    = "find"
	RouteErase   = "erase"
	RoutePricing = "pricing"
	RouteBilling = "billing"
	RouteMeta    = "meta"
	RouteJWKS    = "jwks"
	RouteMedia   = "media"
)

// The actions of a rule.
const (
	ActAnswer   = "answer"   // answers with Status, Headers and Body and does nothing else
	ActHang     = "hang"     // holds the call until released, then serves it
	ActDrop     = "drop"     // cuts the connection without doing anything
	ActWithhold = "withhold" // acts, holds the reply until released, then sends it
	ActLose     = "lose"     // acts, then cuts the connection instead of replying
	ActStall    = "stall"    // acts, sends half of the reply, and the rest when released
	ActTruncate = "truncate" // acts, announces all of the reply, sends half and cuts
	ActHalve    = "halve"    // acts and sends the first half as if it were all
	ActSlow     = "slow"     // acts and sends the reply in 20 pieces, DelayMS apart
)

// Rule forces the next answers of a route. It is used up after Times calls.
type Rule struct {
	Route   string            `json:"route"`
	Action  string            `json:"action"`
	Times   int               `json:"times"`    // 0: once; negative: until reset
	Skip    int               `json:"skip"`     // calls to let through first
	DelayMS int64             `json:"delay_ms"` // before acting
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

type rule struct {
	Rule

	ID   int `json:"id"`
	Left int `json:"left"` // calls it still applies to; negative: any number
	Held int `json:"held"` // calls it is holding now
	once sync.Once
	open chan struct{}
}

func (r *rule) free() { r.once.Do(func() { close(r.open) }) }

var (
	errUnknownRule   = errors.New("a rule needs a known route and action")
	errPrivateTarget = errors.New("the target is a private address")
)

// AddRule forces the next answers of a route and returns the rule's number.
func (s *Sim) AddRule(r Rule) (int, error) {
	switch r.Action {
	case ActAnswer, ActHang, ActDrop, ActWithhold, ActLose, ActStall, ActTruncate, ActHalve, ActSlow:
	default:
		return 0, errUnknownRule
	}

	switch r.Route {
	case RouteSubmit, RouteStatus, RouteStream, RouteResult, RouteCancel, RouteFind, RouteErase,
		RoutePricing, RouteBilling, RouteMeta, RouteJWKS, RouteMedia:
	default:
		return 0, errUnknownRule
	}

	if r.Times == 0 {
		r.Times = 1
	}

	if r.Status == 0 {
		r.Status = http.StatusOK
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.ruleID++
	s.rules = append(s.rules, &rule{Rule: r, ID: s.ruleID, Left: r.Times, open: make(chan struct{})})

	return s.ruleID, nil
}

// Release lets go of what a rule holds, and ends the rule. Zero: all rules.
func (s *Sim) Release(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, r := range s.rules {
		if id == 0 || r.ID == id {
			r.Left = 0
			r.free()
		}
	}
}

// Held is the number of calls that a rule is holding now. Zero: all rules.
func (s *Sim) Held(id int) int {
	s.mu.Lock()
	defer s.mu.Unlock()

	held := 0
	for _, r := range s.rules {
		if id == 0 || r.ID == id {
			held += r.Held
		}
	}

	return held
}

// take returns the rule for this call, if there is one. The caller holds mu.
func (s *Sim) take(route string) *rule {
	for _, r := range s.rules {
		switch {
		case r.Route != route || r.Left == 0:
		case r.Skip > 0:
			r.Skip--
		default:
			if r.Left > 0 {
				r.Left--
			}

			return r
		}
	}

	return nil
}

type handler func(w http.ResponseWriter, r *http.Request, body []byte)

// on counts and records a call, and serves it as the rules say.
func (s *Sim) on(route string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
		if err != nil {
			return // the caller went away
		}

		s.mu.Lock()
		s.count.route(route)
		rule := s.take(route)
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
	case ActHang:
		s.hold(rule, r)
		act(w)

		return
	}

	reply := &buffer{header: http.Header{}, code: http.StatusOK}
	act(reply)

	half := len(reply.body) / 2
	reply.header.Set("Content-Length", strconv.Itoa(len(reply.body)))

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
	case ActSlow:
		piece := len(reply.body)/20 + 1
		reply.send(w, nil)

		for from := 0; from < len(reply.body) && s.sleep(r, millis(rule.DelayMS)); from += piece {
			_, _ = w.Write(reply.body[from:min(from+piece, len(reply.body))])
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// hold waits for the rule's release; a caller that leaves first is cut off.
func (s *Sim) hold(rule *rule, r *http.Request) {
	change := func(by int) {
		s.mu.Lock()
		rule.Held += by
		s.mu.Unlock()
	}

	change(1)
	defer change(-1)

	select {
	case <-rule.open:
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
