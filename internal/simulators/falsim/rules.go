package falsim

import (
	"errors"
	"net/http"
	"sync"
)

// The routes, as rules and statistics name them.
const (
	RouteSubmit  = "submit"
	RouteRun     = "run" // without the queue
	RouteStatus  = "status"
	RouteStream  = "stream"
	RouteResult  = "result"
	RouteCancel  = "cancel"
	RouteFind    = "find"
	RouteErase   = "erase"
	RoutePricing = "pricing" // prices, estimates, schemas
	RouteBilling = "billing" // balance, usage, billing events
	RouteMeta    = "meta"
	RouteJWKS    = "jwks"
	RouteMedia   = "media"
	RouteUpload  = "upload" // initiate, tokens, signed links
	RoutePut     = "put"    // send a file, a part, complete
	RouteTrap    = "trap"   // where the mix's redirects and false links lead: nobody should come
)

// callRoutes are the routes that rules and the mix can spoil.
func callRoutes() []string {
	return []string{
		RouteSubmit, RouteRun, RouteStatus, RouteStream, RouteResult, RouteCancel, RouteFind, RouteErase,
		RoutePricing, RouteBilling, RouteMeta, RouteJWKS, RouteMedia,
		RouteUpload, RoutePut,
	}
}

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
	ActPoison   = "poison"    // media only: serves a picture spoiled as Poison says
)

func actions() []string {
	return []string{
		ActAnswer, ActHang, ActDrop, ActReset, ActWithhold, ActLose, ActStall, ActTruncate, ActHalve, ActSpill, ActSlow,
		ActRewrite, ActFlood, ActGzipBomb, ActPoison,
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
	Poison  string            `json:"poison"` // as Knobs.Media
}

type rule struct {
	Rule

	ID   int `json:"id"`
	Left int `json:"left"` // calls it still applies to; negative: any number
	Held int `json:"held"` // calls it is holding now
	once sync.Once
	open chan struct{}
	name string                                   // of the mix's disturbance; empty: somebody's own rule
	edit func(code int, reply map[string]any) int // of a rewrite
}

func (r *rule) free() { r.once.Do(func() { close(r.open) }) }

var errPrivateTarget = errors.New("the target is a private address")

// AddRule forces the next answers of a route and returns the rule's number.
func (s *Sim) AddRule(r Rule) (int, error) {
	if err := r.check(); err != nil {
		return 0, err
	}

	if r.Times == 0 {
		r.Times = 1
	}

	if r.Status == 0 && r.Action == ActAnswer {
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
