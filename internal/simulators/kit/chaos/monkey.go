package chaos

import (
	"maps"
	"slices"
)

// Monkey decides what chaos spoils, and counts it. The caller of every method holds the simulator's lock.
type Monkey struct {
	seed  uint64
	table func() []Fault
	knobs Knobs
	bags  map[string]*shuffleBag // by route

	considered int64
	chosen     map[string]int64 // "route/name"
}

// NewMonkey makes one that chooses from a table of faults, seeded.
func NewMonkey(seed uint64, table func() []Fault) *Monkey {
	m := &Monkey{seed: seed, table: table}
	m.Clear()

	return m
}

// Clear forgets what was chosen and counted, and begins its seeds again.
func (m *Monkey) Clear() {
	m.bags, m.considered, m.chosen = map[string]*shuffleBag{}, 0, map[string]int64{}
}

// Tune turns the knobs. What they have changed begins afresh.
func (m *Monkey) Tune(k Knobs) {
	before := m.knobs
	m.knobs = k.Clone()

	switch {
	case before.Seed != k.Seed:
		m.bags = map[string]*shuffleBag{}
	case !slices.Equal(before.Only, k.Only) || !slices.Equal(before.Except, k.Except):
		for _, b := range m.bags {
			b.left = nil
		}
	}
}

// Counts are how many things were looked at, and how often each fault was chosen, under "route/name".
func (m *Monkey) Counts() (considered int64, chosen map[string]int64) {
	return m.considered, maps.Clone(m.chosen)
}

// Choose decides whether this call is spoiled, and how; nil: not at all.
func (m *Monkey) Choose(route string) *Fault {
	if m.knobs.Share <= 0 {
		return nil
	}

	b := m.bags[route]
	if b == nil {
		b = newShuffleBag(m.knobs.Seed, m.seed, route)
		m.bags[route] = b
	}

	m.considered++

	if b.rng.Float64() >= m.knobs.Share {
		return nil
	}

	next := b.drawFault(func() []Fault {
		return slices.DeleteFunc(m.table(), func(f Fault) bool { return !m.knobs.permitsFault(route, f) })
	})
	if next != nil {
		m.chosen[route+"/"+next.Name]++
	}

	return next
}
