package chaos

import (
	"hash/fnv"
	"math/rand/v2"
)

// shuffleBag gives out the faults of a route: each of them once, in a shuffled order, before one
// comes again. So a long run meets all of them, and the nth call of a route is treated in the
// same way in every run with the same seed.
type shuffleBag struct {
	rng  *rand.Rand
	left []Fault
}

func newShuffleBag(seed, otherwise uint64, route string) *shuffleBag {
	if seed == 0 {
		seed = otherwise
	}

	h := fnv.New64a()
	_, _ = h.Write([]byte(route))

	return &shuffleBag{rng: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // a simulator
}

func (b *shuffleBag) drawFault(all func() []Fault) *Fault {
	if len(b.left) == 0 {
		b.left = all()
		b.rng.Shuffle(len(b.left), func(i, j int) { b.left[i], b.left[j] = b.left[j], b.left[i] })
	}

	if len(b.left) == 0 {
		return nil
	}

	next := b.left[0]
	b.left = b.left[1:]

	return &next
}
