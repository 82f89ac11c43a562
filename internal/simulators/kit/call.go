package kit

import (
	"io"
	"maps"
	"net/http"
	"slices"

	"imagerun/internal/simulators/kit/calllog"
	"imagerun/internal/simulators/kit/rules"
)

// Handler serves one call, whose body has been read.
type Handler func(w http.ResponseWriter, r *http.Request, body []byte)

// On counts and remembers the calls of a route, and serves each as the rules and chaos have it.
func (k *Kit) On(route string, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, k.vendor.MaxBody))
		if err != nil {
			return // the caller went away
		}

		n, rule, wait := k.recordCall(route, r, body)
		if !k.rules.Sleep(r, wait) {
			return
		}

		seen := &calllog.StatusWriter{ResponseWriter: w}
		defer func() { k.recordStatus(n, seen.Status) }()

		if rule == nil {
			h(seen, r, body)

			return
		}

		k.rules.Apply(rule, seen, r, func(w http.ResponseWriter) { h(w, r, body) })
	}
}

// recordCall remembers a call, and returns its number, what is to spoil it, and how many milliseconds it waits.
func (k *Kit) recordCall(route string, r *http.Request, body []byte) (n int64, rule *rules.ActiveRule, wait int64) {
	k.lock.Lock()
	defer k.lock.Unlock()

	rule = k.rules.Take(route)
	if rule == nil {
		if f := k.Monkey.Choose(route); f != nil {
			rule = f.ForCall(route, k.knobs.Chaos.Hold(), k.vendor.Refusal)
		}
	}

	wait = k.knobs.LatencyMS
	if rule != nil && rule.Action != rules.ActSlow {
		wait += rule.DelayMS
	}

	return k.log.Add(k.describeCall(route, r, body, rule)), rule, wait
}

func (k *Kit) recordStatus(n int64, code int) {
	k.lock.Lock()
	defer k.lock.Unlock()

	k.log.SetStatus(n, code)
}

// describeCall is what the log remembers of a call.
func (k *Kit) describeCall(route string, r *http.Request, body []byte, rule *rules.ActiveRule) calllog.Received {
	call := calllog.Received{At: k.Clock.Now(), Route: route, Method: r.Method, URL: r.URL.String(), Header: maps.Clone(r.Header)}

	for name := range call.Header {
		if k.vendor.isSecretHeader(name) {
			call.Header[name] = []string{"[masked]"}
		}
	}

	if !slices.Contains(k.vendor.Unlogged, route) {
		call.Body = string(body[:min(len(body), calllog.MaxBody)])
	}

	if rule != nil {
		call.Rule, call.Fault = rule.ID, rule.Fault
	}

	return call
}

// Requests returns the last calls to a route, the oldest first. Empty: to any.
func (k *Kit) Requests(route string) []calllog.Received {
	k.lock.Lock()
	defer k.lock.Unlock()

	return k.log.List(route)
}

// AddRule forces the next answers of a route and returns the rule's number.
func (k *Kit) AddRule(r rules.Rule) (int, error) { return k.rules.Add(r) }

// Release lets go of what a rule holds, and ends the rule. Zero: all rules.
func (k *Kit) Release(id int) { k.rules.Release(id) }

// Held is the number of calls that a rule is holding now. Zero: all rules.
func (k *Kit) Held(id int) int { return k.rules.Held(id) }
