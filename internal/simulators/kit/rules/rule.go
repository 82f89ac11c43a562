package rules

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"imagerun/internal/simulators/kit/knobs"
)

// The actions of a rule.
const (
	ActAnswer   = "answer"    // answers with Status, Headers and Body and does nothing else
	ActHang     = "hang"      // holds the call until released, then serves it
	ActDrop     = "drop"      // cuts the connection without doing anything
	ActReset    = "reset"     // the same by a TCP reset
	ActWithhold = "withhold"  // acts, holds the reply until released, then sends it
	ActLose     = "lose"      // acts, then cuts the connection instead of replying
	ActStall    = "stall"     // acts, sends half of the reply, and the rest when released
	ActTruncate = "truncate"  // acts, announces all of the reply, sends half and cuts
	ActHalve    = "halve"     // acts and sends the first half as if it were all
	ActSpill    = "spill"     // acts, announces half of the reply and sends all of it
	ActSlow     = "slow"      // acts and sends the reply in 20 pieces, DelayMS apart
	ActRewrite  = "rewrite"   // acts, then replies with Status, Headers and Body where they are given
	ActFlood    = "flood"     // acts and sends 64 MiB of spaces instead of the reply
	ActGzipBomb = "gzip_bomb" // the same, packed into a few kilobytes
)

func actionNames() []string {
	return []string{
		ActAnswer, ActHang, ActDrop, ActReset, ActWithhold, ActLose, ActStall, ActTruncate, ActHalve, ActSpill, ActSlow,
		ActRewrite, ActFlood, ActGzipBomb,
	}
}

// Rule forces the next answers of a route. It is used up after Times calls.
type Rule struct {
	Route   string            `json:"route"`
	Action  string            `json:"action"`
	Times   int               `json:"times"`    // 0: once; negative: until reset
	Skip    int               `json:"skip"`     // calls to let through first
	DelayMS int64             `json:"delay_ms"` // before acting
	HoldMS  int64             `json:"hold_ms"`  // what holds lets go by itself after so long; 0: when released
	Status  int               `json:"status"`   // 0: 200
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Variant string            `json:"variant"` // of an action of the vendor's own: which of its ways
}

// Action is what a rule can do to a call that only one vendor's simulator knows, such as to spoil a picture.
type Action struct {
	Name     string
	Route    string   // the only one that it is for
	Variants []string // a rule names one of them
	Serve    func(w http.ResponseWriter, r *http.Request, variant string)
}

// ActiveRule is a rule that was made, or a fault that chaos chose for one call.
type ActiveRule struct {
	Rule

	ID    int    `json:"id"`
	Left  int    `json:"left"` // calls it still applies to; negative: any number
	Held  int    `json:"held"` // calls it is holding now
	Fault string `json:"-"`    // that chaos chose; empty: a rule that a test or caller made

	once sync.Once
	open chan struct{}
	edit func(code int, reply map[string]any) int // of a rewrite
}

func (r *ActiveRule) releaseHeld() { r.once.Do(func() { close(r.open) }) }

// ForOneCall is a rule that is in no list: a fault that chaos chose for one call. Edit, if there is one, changes
// the members of a rewritten reply and returns its status.
func ForOneCall(r Rule, fault string, edit func(code int, reply map[string]any) int) *ActiveRule {
	return &ActiveRule{Rule: r, Fault: fault, open: make(chan struct{}), edit: edit}
}

// Add forces the next answers of a route and returns the rule's number.
func (s *Rules) Add(r Rule) (int, error) {
	if err := s.checkRule(r); err != nil {
		return 0, err
	}

	if r.Times == 0 {
		r.Times = 1
	}

	if r.Status == 0 && r.Action == ActAnswer {
		r.Status = http.StatusOK
	}

	s.lock.Lock()
	defer s.lock.Unlock()

	s.last++
	s.list = append(s.list, &ActiveRule{Rule: r, ID: s.last, Left: r.Times, open: make(chan struct{})})

	return s.last, nil
}

func (s *Rules) checkRule(r Rule) error {
	known := actionNames()
	for name := range s.own {
		known = append(known, name)
	}

	errs := []error{knobs.CheckOneOf("route", r.Route, s.routes), knobs.CheckOneOf("action", r.Action, known)}
	own := s.own[r.Action]

	if r.Variant != "" && !slices.Contains(own.Variants, r.Variant) || len(own.Variants) > 0 && r.Variant == "" {
		errs = append(errs, knobs.CheckOneOf("variant", r.Variant, own.Variants))
	}

	if own.Route != "" && r.Route != own.Route {
		errs = append(errs, fmt.Errorf("action: %q is for the route %q alone", r.Action, own.Route))
	}

	if r.Status != 0 && (r.Status < 100 || r.Status > 599) {
		errs = append(errs, errors.New("status: must be 100 to 599"))
	}

	if r.Skip < 0 || r.DelayMS < 0 || r.HoldMS < 0 {
		errs = append(errs, errors.New("skip, delay_ms, hold_ms: must not be negative"))
	}

	return errors.Join(errs...)
}
