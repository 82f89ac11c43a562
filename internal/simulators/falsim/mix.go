package falsim

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// What the mix can disturb beside calls, named like routes.
const (
	RouteWebhook = "webhook" // the notice of one finished request
	RouteEnding  = "ending"  // how one request ends
)

// Disturbance is one way in which the mix spoils something.
type Disturbance struct {
	Name   string   `json:"name"`
	Routes []string `json:"routes"`
	// Acts tells that the call takes effect, though the caller may not learn it.
	Acts bool   `json:"acts"`
	What string `json:"what"`

	rule Rule
	edit func(code int, reply map[string]any) int
}

// deck deals the disturbances of a route: each of them once, in a shuffled order, before one
// comes again. So a long run meets all of them, and the nth call of a route is treated in the
// same way in every run with the same seed.
type deck struct {
	rng  *rand.Rand
	left []Disturbance
}

// disturb decides whether this call is disturbed, and how. The caller holds mu.
func (s *Sim) disturb(route string) *Disturbance {
	if s.knobs.Disturb <= 0 {
		return nil
	}

	d := s.decks[route]
	if d == nil {
		seed := s.knobs.DisturbSeed
		if seed == 0 {
			seed = s.opts.Seed
		}

		h := fnv.New64a()
		_, _ = h.Write([]byte(route))
		d = &deck{rng: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // a simulator
		s.decks[route] = d
	}

	s.count.Disturbable++

	if d.rng.Float64() >= s.knobs.Disturb {
		return nil
	}

	next := d.deal(func() []Disturbance { return s.knobs.mixed(route) })
	if next != nil {
		s.count.Disturbed[route+"/"+next.Name]++
	}

	return next
}

func (d *deck) deal(all func() []Disturbance) *Disturbance {
	if len(d.left) == 0 {
		d.left = all()
		d.rng.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}

	if len(d.left) == 0 {
		return nil
	}

	next := d.left[0]
	d.left = d.left[1:]

	return &next
}

// mixed lists what the knobs let happen to a route. An entry of the knobs is a route, a name,
// or both as in "submit/lose".
func (k *Knobs) mixed(route string) []Disturbance {
	named := func(list []string, d Disturbance) bool {
		return slices.Contains(list, route) || slices.Contains(list, d.Name) || slices.Contains(list, route+"/"+d.Name)
	}

	return slices.DeleteFunc(Disturbances(), func(d Disturbance) bool {
		return !slices.Contains(d.Routes, route) || len(k.DisturbOnly) > 0 && !named(k.DisturbOnly, d) || named(k.DisturbExcept, d)
	})
}

// redeal starts the mix afresh when its knobs have changed. The caller holds mu.
func (s *Sim) redeal(before Knobs) {
	now := &s.knobs

	switch {
	case before.DisturbSeed != now.DisturbSeed:
		s.decks = map[string]*deck{}
	case !slices.Equal(before.DisturbOnly, now.DisturbOnly) || !slices.Equal(before.DisturbExcept, now.DisturbExcept):
		for _, d := range s.decks {
			d.left = nil
		}
	}
}

// force turns a disturbance of a call into a rule for this one call.
func (s *Sim) force(route string, d *Disturbance) *rule {
	r := &rule{Rule: d.rule, open: make(chan struct{}), name: d.Name, edit: d.edit}
	r.Route, r.HoldMS = route, s.knobs.hold()

	if r.Action == ActSlow {
		r.DelayMS = r.HoldMS / 20
	}

	if r.Action == ActAnswer && r.Body == "" && len(r.Headers) == 0 {
		r.Body = refusal(route, r.Status)
	}

	return r
}

// hold is how long the mix holds a call, in milliseconds.
func (k *Knobs) hold() int64 {
	if k.DisturbHoldMS > 0 {
		return k.DisturbHoldMS
	}

	return 2000
}
