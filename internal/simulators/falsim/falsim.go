package falsim

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
	"imagerun/internal/simulators/kit/simclock"
)

// Options set a simulator up. Only Key is needed.
type Options struct {
	// Key is the one accepted key, as fal writes it: "<key_id>:<key_secret>".
	Key string
	// RunKey is a second key that may run models and look at them, and is refused what needs fal's
	// ADMIN scope: erasing, usage and billing. Empty: there is none.
	RunKey string
	// UserID is the account that webhooks are signed for. Empty: "user_falsim".
	UserID string
	// Seed makes ids, keys and jitter the same in every run. Zero: random.
	Seed uint64
	// Duration an image takes. Zero: 2 s.
	Duration time.Duration
	// QueueTime is the least time in the queue.
	QueueTime time.Duration
	// Slots is how many requests run at once; the rest wait their turn. Zero: no limit. (fal
	// gives new accounts 2 and rises to 40 with what was spent.)
	Slots int
	// AllowPrivateCallbacks lets webhooks go to private and loopback addresses and to plain
	// http, and reference images come from there; fal drops such targets.
	AllowPrivateCallbacks bool
	// BaseURL is how the simulator names itself in the URLs it returns. Empty: from the Host of
	// the request that submitted.
	BaseURL string
	// MaxRequests bounds the memory; the oldest finished requests are forgotten. Zero: 20,000.
	MaxRequests int
	// MaxLog bounds the calls remembered; the oldest of the busiest route go first. Zero: 5,000.
	MaxLog int
	// Knobs are the hostile settings to begin with. Duration, QueueTime and Slots win over them.
	Knobs Knobs
	// Now is the clock. Nil: the machine's. Call Tick after moving it.
	Now func() time.Time
}

// Sim is a simulator. Create it with [New], serve [Sim.Handler], end it with [Sim.Close].
type Sim struct {
	opts   Options
	clock  *simclock.Clock
	now    func() time.Time // the clock's
	ctx    context.Context  // ends with Close
	cancel context.CancelFunc

	references *http.Client
	posts      sync.WaitGroup // webhooks under way

	mu       sync.Mutex // guards all below
	rng      *rand.Rand
	knobs    Knobs
	keys     []ed25519.PrivateKey // the last signs; all are published
	foreign  ed25519.PrivateKey   // signs forgeries
	requests map[string]*request
	order    []*request // by age
	queue    []*request // waiting for a slot, by turn
	running  int
	files    map[string]file
	uploads  map[string]*upload // by path

	uploadOrder []*upload            // by age
	tokens      map[string]time.Time // for private files, with their ends
	links       map[string]time.Time // signed, "path?signature", with their ends
	erasures    map[string]erasure   // by idempotency key and request
	count       counters
	log         []Received
	logged      map[string]int // entries of the log by route
	rules       *rules.Rules
	monkey      *chaos.Monkey
	courier     *deliveries.Courier
	bigPicture  func() []byte // a bomb, made when first wanted
}

// New makes a simulator. It serves nothing and starts nothing by itself.
func New(o Options) *Sim {
	if o.UserID == "" {
		o.UserID = "user_falsim"
	}

	if o.Seed == 0 {
		o.Seed = rand.Uint64() //nolint:gosec // a simulator
	}

	if o.MaxRequests == 0 {
		o.MaxRequests = 20_000
	}

	if o.MaxLog == 0 {
		o.MaxLog = 5000
	}

	s := &Sim{opts: o, bigPicture: sync.OnceValue(func() []byte { return bigPNG(20_000, 20_000) })}
	s.clock = simclock.New(&s.mu, o.Now, s.startAll)
	s.now = s.clock.Now
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.rules = rules.NewRules(s.ctx, &s.mu, callRoutes(), rules.Action{Name: ActPoison, Route: RouteMedia, Variants: Poisons(), Serve: s.serveMedia})
	s.monkey = chaos.NewMonkey(o.Seed, Faults)
	outside := deliveries.NewTransport(o.AllowPrivateCallbacks)
	s.references = &http.Client{Transport: outside, Timeout: referenceTimeout}
	s.courier = deliveries.NewCourier(deliveries.Deps{
		Ctx: s.ctx, Lock: &s.mu, Clock: s.clock, UnderWay: &s.posts, Transport: outside, AllowPrivate: o.AllowPrivateCallbacks,
	}, s.delivery())
	s.rng = rand.New(rand.NewPCG(o.Seed, 0xfa1)) //nolint:gosec // a simulator
	s.keys = []ed25519.PrivateKey{s.newKey()}
	s.foreign = s.newKey()
	s.begin()

	return s
}

// begin puts everything back to the beginning. The caller holds mu, or is New.
func (s *Sim) begin() {
	s.knobs = s.opts.Knobs
	s.knobs.start(s.opts)
	s.requests = map[string]*request{}
	s.tokens, s.links = map[string]time.Time{}, map[string]time.Time{}
	s.erasures = map[string]erasure{}
	s.files, s.uploads, s.uploadOrder = map[string]file{}, map[string]*upload{}, nil
	s.order, s.queue, s.log = nil, nil, nil
	s.courier.Clear()
	s.clock.Clear()
	s.running = 0
	s.count = counters{}
	s.logged = map[string]int{}
	s.rules.Clear()
	s.monkey.Clear()
	s.monkey.Tune(s.knobs.Chaos)
}

// Reset forgets everything and goes back to the options' settings. Ids go on: whoever has kept
// those from before must not meet them again; and so do the keys, which clients keep as well.
func (s *Sim) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.begin()
}

// Close lets go of every connection that a rule holds and ends the webhooks under way.
func (s *Sim) Close() {
	s.cancel()
	s.mu.Lock()
	s.clock.Stop()
	s.rules.Clear()
	s.mu.Unlock()
	s.posts.Wait()
	s.references.CloseIdleConnections()
}

// Tick makes the simulator look at its clock, and send the webhooks that are due.
func (s *Sim) Tick() { s.clock.Tick() }

// AddRule forces the next answers of a route and returns the rule's number.
func (s *Sim) AddRule(r Rule) (int, error) { return s.rules.Add(r) }

// Release lets go of what a rule holds, and ends the rule. Zero: all rules.
func (s *Sim) Release(id int) { s.rules.Release(id) }

// Held is the number of calls that a rule is holding now. Zero: all rules.
func (s *Sim) Held(id int) int { return s.rules.Held(id) }

// Handler serves everything that fal serves, under one base URL: /queue, /run, /rest, /v1 and
// /files.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/queue/", s.serveQueue)
	mux.HandleFunc("/run/", s.serveRun)
	mux.HandleFunc("GET /rest/.well-known/jwks.json", s.on(RouteJWKS, s.serveJWKS))
	mux.HandleFunc("GET /v1/models", s.on(RoutePricing, s.platform(s.serveModels)))
	mux.HandleFunc("GET /v1/models/requests/by-endpoint", s.on(RouteFind, s.platform(s.serveFind(false))))
	mux.HandleFunc("GET /v1/models/requests/search", s.on(RouteFind, s.platform(s.serveFind(true))))
	mux.HandleFunc("DELETE /v1/models/requests/{id}/payloads", s.on(RouteErase, s.admin(s.serveErase)))
	mux.HandleFunc("GET /v1/models/pricing", s.on(RoutePricing, s.platform(s.servePricing)))
	mux.HandleFunc("POST /v1/models/pricing/estimate", s.on(RoutePricing, s.platform(s.serveEstimate)))
	mux.HandleFunc("GET /v1/models/usage", s.on(RouteBilling, s.admin(s.serveUsage)))
	mux.HandleFunc("GET /v1/models/billing-events", s.on(RouteBilling, s.admin(s.serveBillingEvents)))
	mux.HandleFunc("GET /v1/account/billing", s.on(RouteBilling, s.admin(s.serveBilling)))
	mux.HandleFunc("GET /v1/meta", s.on(RouteMeta, s.serveMeta))
	mux.HandleFunc("GET /files/b/{store}/{name}", s.on(RouteMedia, s.serveFile))
	mux.HandleFunc("POST /rest/storage/upload/initiate", s.on(RouteUpload, s.serveInitiate(false)))
	mux.HandleFunc("POST /rest/storage/upload/initiate-multipart", s.on(RouteUpload, s.serveInitiate(true)))
	mux.HandleFunc("POST /rest/storage/auth/token", s.on(RouteUpload, s.serveToken))
	mux.HandleFunc("POST /files/b/{store}/{name}/sign", s.on(RouteUpload, s.serveSign))
	mux.HandleFunc("POST /files/upload", s.on(RoutePut, s.servePost))
	mux.HandleFunc("PUT /files/upload/{store}/{name}", s.on(RoutePut, s.servePut))
	mux.HandleFunc("PUT /files/multipart/{store}/{name}/{part}", s.on(RoutePut, s.servePart))
	mux.HandleFunc("POST /files/multipart/{store}/{name}/complete", s.on(RoutePut, s.serveComplete))
	mux.HandleFunc("/trap/", s.on(RouteTrap, s.serveTrap))

	return mux
}

func (s *Sim) newKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], s.rng.Uint64())
	}

	return ed25519.NewKeyFromSeed(seed)
}
