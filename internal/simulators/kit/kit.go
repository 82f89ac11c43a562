package kit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"imagerun/internal/simulators/kit/calllog"
	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
	"imagerun/internal/simulators/kit/simclock"
)

// Options are what a simulator's user chooses. The zero value will do.
type Options struct {
	// Seed makes ids and chances the same in every run. Zero: random.
	Seed uint64
	// BaseURL is how the simulator names itself in the URLs it returns. Empty: from the Host of the call.
	BaseURL string
	// AllowPrivateCallbacks lets webhooks go to private and loopback addresses and to plain http.
	AllowPrivateCallbacks bool
	// MaxLog bounds the calls remembered; the oldest of the busiest route go first. Zero: 5,000.
	MaxLog int
	// Now is the clock to go by. Nil: the machine's. Call Tick after moving it.
	Now func() time.Time
}

// Knobs are the settings that the kit itself has.
type Knobs struct {
	LatencyMS int64       `json:"latency_ms"` // added to every answer
	Chaos     chaos.Knobs `json:"chaos"`
}

// stream keeps the seeded numbers apart from those that chaos makes of the same seed.
const stream = 0xfa1

// Kit is the part of a simulator that no vendor has for itself. Create it with [New], end it with [Kit.Close].
type Kit struct {
	// Clock is the simulator's.
	Clock *simclock.Clock
	// Monkey chooses what chaos spoils: calls by itself, and what else the vendor asks it about.
	Monkey *chaos.Monkey
	// Courier delivers the vendor's webhooks.
	Courier *deliveries.Courier
	// Transport goes to the outside as the webhooks do.
	Transport *http.Transport

	options Options
	vendor  Vendor
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	tasks   sync.WaitGroup // in the background
	rules   *rules.Rules

	lock  sync.Locker // guards all below, and the vendor's own
	rng   *rand.Rand
	knobs Knobs
	log   *calllog.Log
}

// New makes a kit for a vendor, whose state the lock guards as well. It serves and starts nothing by itself.
func New(lock sync.Locker, o Options, v Vendor) *Kit {
	if o.Seed == 0 {
		o.Seed = rand.Uint64() //nolint:gosec // a simulator
	}

	if o.MaxLog == 0 {
		o.MaxLog = 5000
	}

	k := &Kit{options: o, vendor: v.withDefaults(), lock: lock, log: calllog.New(o.MaxLog)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.rng = rand.New(rand.NewPCG(o.Seed, stream)) //nolint:gosec // a simulator
	k.Clock = simclock.New(lock, o.Now, v.Settle)
	k.rules = rules.NewRules(k.ctx, lock, v.Routes, v.Actions...)
	k.Monkey = chaos.NewMonkey(o.Seed, k.vendor.Faults)
	k.Transport = deliveries.NewTransport(o.AllowPrivateCallbacks)
	k.Courier = deliveries.NewCourier(deliveries.Deps{
		Ctx: k.ctx, Lock: lock, Clock: k.Clock, UnderWay: &k.tasks, Transport: k.Transport, AllowPrivate: o.AllowPrivateCallbacks,
	}, v.Deliveries)

	return k
}

// Seed is what the simulator's numbers begin with.
func (k *Kit) Seed() uint64 { return k.options.Seed }

// Context ends with the simulator.
func (k *Kit) Context() context.Context { return k.ctx }

// Go does something in the background, which Close waits for.
func (k *Kit) Go(do func()) { k.tasks.Go(do) }

// Tick has the simulator look at its clock, and send the webhooks that are due.
func (k *Kit) Tick() { k.Clock.Tick() }

// Rand returns the seeded numbers. The caller holds the lock.
func (k *Kit) Rand() *rand.Rand { return k.rng }

// NewID makes a UUID of version 4 from the seeded numbers. The caller holds the lock.
func (k *Kit) NewID() string {
	a, b := k.rng.Uint64(), k.rng.Uint64()

	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// Base is how the simulator names itself to a caller.
func (k *Kit) Base(r *http.Request) string {
	if k.options.BaseURL != "" {
		return strings.TrimSuffix(k.options.BaseURL, "/")
	}

	if r.TLS != nil {
		return "https://" + r.Host
	}

	return "http://" + r.Host
}

// Tune turns the kit's knobs for what happens from now on. The caller holds the lock.
func (k *Kit) Tune(knobs Knobs) {
	k.knobs = knobs
	k.knobs.Chaos = knobs.Chaos.Clone()
	k.Monkey.Tune(k.knobs.Chaos)
}

// ChaosHold is how long chaos holds things. The caller holds the lock.
func (k *Kit) ChaosHold() time.Duration {
	return time.Duration(k.knobs.Chaos.Hold()) * time.Millisecond
}

// Reset forgets everything, and turns the knobs back. Ids go on: a caller who kept those from before must not
// meet them again; and so do the numbers of rules, and the hour.
func (k *Kit) Reset() {
	k.lock.Lock()
	defer k.lock.Unlock()

	k.rules.Clear()
	k.Clock.Clear()
	k.Courier.Clear()
	k.Monkey.Clear()
	k.log = calllog.New(k.options.MaxLog)
	k.Tune(Knobs{})
	k.vendor.Reset()
}

// Close lets go of every connection that a rule holds and ends what is under way.
func (k *Kit) Close() {
	k.cancel()
	k.lock.Lock()
	k.Clock.Stop()
	k.rules.Clear()
	k.lock.Unlock()
	k.tasks.Wait()
	k.Transport.CloseIdleConnections()
}
