package rules

import (
	"context"
	"sync"
)

// Rules are the rules of a simulator, in the order in which they were made.
type Rules struct {
	ctx    context.Context // ends with the simulator
	routes []string
	own    map[string]Action // the vendor's, by name
	packed func() []byte     // a flood as gzip

	lock sync.Locker // guards all below
	list []*ActiveRule
	last int
}

// NewRules makes an empty list for the routes that may be spoiled. What a rule holds is cut when the context
// ends.
func NewRules(ctx context.Context, lock sync.Locker, routes []string, own ...Action) *Rules {
	s := &Rules{ctx: ctx, lock: lock, routes: routes, own: map[string]Action{}, packed: sync.OnceValue(packFlood)}
	for _, a := range own {
		s.own[a.Name] = a
	}

	return s
}

// List returns the rules, used up ones included. The caller holds the lock until it has read them.
func (s *Rules) List() []*ActiveRule { return append([]*ActiveRule{}, s.list...) }

// Release lets go of what a rule holds, and ends the rule. Zero: all rules.
func (s *Rules) Release(id int) {
	s.lock.Lock()
	defer s.lock.Unlock()

	for _, r := range s.list {
		if id == 0 || r.ID == id {
			r.Left = 0
			r.releaseHeld()
		}
	}
}

// Held is the number of calls that a rule is holding now. Zero: all rules.
func (s *Rules) Held(id int) int {
	s.lock.Lock()
	defer s.lock.Unlock()

	held := 0
	for _, r := range s.list {
		if id == 0 || r.ID == id {
			held += r.Held
		}
	}

	return held
}

// Take returns the rule for this call, if there is one, and counts the call. The caller holds the lock.
func (s *Rules) Take(route string) *ActiveRule {
	for _, r := range s.list {
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

// Clear lets go of what is held, and forgets every rule. Numbers go on. The caller holds the lock.
func (s *Rules) Clear() {
	for _, r := range s.list {
		r.releaseHeld()
	}

	s.list = nil
}
