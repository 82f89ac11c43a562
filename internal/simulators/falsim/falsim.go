package falsim

import (
	"html/template"
	"net/http"
	"sync"
	"time"

	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/knobs"
	"imagerun/internal/simulators/kit/rules"
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

// Sim is a simulator. Create it with [New], serve [Sim.Handler] and [Sim.Control], end it with its Close.
type Sim struct {
	*kit.Kit

	opts       Options
	now        func() time.Time // the clock's
	references fetcher
	gate       gate
	host       *fileHost

	mu       sync.Mutex // guards all below, and the kit
	knobs    Knobs
	keys     keyring
	requests map[string]*request
	order    []*request // by age
	line     waitingLine
	running  int
	erasures map[string]erasure // by idempotency key and request
	count    counters
}

// New makes a simulator. It serves nothing and starts nothing by itself.
func New(o Options) *Sim {
	if o.UserID == "" {
		o.UserID = "user_falsim"
	}

	if o.MaxRequests == 0 {
		o.MaxRequests = 20_000
	}

	s := &Sim{opts: o, gate: gate{kit.Credential{Header: "Authorization", Scheme: "Key ", Keys: []string{o.Key, o.RunKey}}}}
	s.host = &fileHost{gate: s.gate, mu: &s.mu, bigPicture: sync.OnceValue(func() []byte { return bigPNG(20_000, 20_000) })}
	s.Kit = kit.New(&s.mu, kit.Options{
		Seed: o.Seed, BaseURL: o.BaseURL, AllowPrivateCallbacks: o.AllowPrivateCallbacks, MaxLog: o.MaxLog, Now: o.Now,
	}, s.buildVendor())
	s.host.Kit = s.Kit
	s.now = s.Clock.Now
	s.references = fetcher{s.Context(), &http.Client{Transport: s.Transport, Timeout: referenceTimeout}}
	s.keys = newKeyring(s.Rand())
	s.resetState()

	return s
}

// buildVendor is what the kit must know of fal.
func (s *Sim) buildVendor() kit.Vendor {
	return kit.Vendor{
		Name: "falsim", Routes: callRoutes(), Unlogged: []string{RoutePut}, MaxBody: maxBody,
		Faults: Faults, Refusal: refusalBody,
		Actions:    []rules.Action{{Name: ActPoison, Route: RouteMedia, Variants: Poisons(), Serve: s.host.serveMedia}},
		Deliveries: s.deliveryPolicy(), Notice: s.findNotice,
		Settle: s.startQueued, Reset: s.resetState,
		Knobs: knobs.Serve(s.Knobs, s.turnKnobs), Stats: func() any { return s.Stats() }, Page: template.HTML(controlPage), //nolint:gosec // our own page
	}
}

// resetState puts everything back to the beginning. The caller holds mu, or is New.
func (s *Sim) resetState() {
	s.knobs = s.opts.Knobs
	s.knobs.applyOptions(s.opts)
	s.Tune(s.knobs.kitKnobs())
	s.requests = map[string]*request{}
	s.erasures = map[string]erasure{}
	s.host.resetFiles()
	s.order, s.line = nil, nil
	s.running = 0
	s.count = counters{}
}

// Handler serves everything that fal serves, under one base URL: /queue, /run, /rest, /v1 and
// /files.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/queue/", s.serveQueue)
	mux.HandleFunc("/run/", s.serveRun)
	mux.HandleFunc("GET /rest/.well-known/jwks.json", s.On(RouteJWKS, s.serveJWKS))
	mux.HandleFunc("GET /v1/models", s.On(RoutePricing, s.requireKey(s.serveModels)))
	mux.HandleFunc("GET /v1/models/requests/by-endpoint", s.On(RouteFind, s.requireKey(s.serveFind(false))))
	mux.HandleFunc("GET /v1/models/requests/search", s.On(RouteFind, s.requireKey(s.serveFind(true))))
	mux.HandleFunc("DELETE /v1/models/requests/{id}/payloads", s.On(RouteErase, s.requireAdmin(s.serveErase)))
	mux.HandleFunc("GET /v1/models/pricing", s.On(RoutePricing, s.requireKey(s.servePricing)))
	mux.HandleFunc("POST /v1/models/pricing/estimate", s.On(RoutePricing, s.requireKey(s.serveEstimate)))
	mux.HandleFunc("GET /v1/models/usage", s.On(RouteBilling, s.requireAdmin(s.serveUsage)))
	mux.HandleFunc("GET /v1/models/billing-events", s.On(RouteBilling, s.requireAdmin(s.serveBillingEvents)))
	mux.HandleFunc("GET /v1/account/billing", s.On(RouteBilling, s.requireAdmin(s.serveBilling)))
	mux.HandleFunc("GET /v1/meta", s.On(RouteMeta, s.serveMeta))
	mux.HandleFunc("GET /files/b/{store}/{name}", s.On(RouteMedia, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		s.host.serveMedia(w, r, s.Knobs().Media)
	}))
	mux.HandleFunc("POST /rest/storage/upload/initiate", s.On(RouteUpload, s.host.serveInitiate(false)))
	mux.HandleFunc("POST /rest/storage/upload/initiate-multipart", s.On(RouteUpload, s.host.serveInitiate(true)))
	mux.HandleFunc("POST /rest/storage/auth/token", s.On(RouteUpload, s.host.serveToken))
	mux.HandleFunc("POST /files/b/{store}/{name}/sign", s.On(RouteUpload, s.host.serveSign))
	mux.HandleFunc("POST /files/upload", s.On(RoutePut, s.host.servePost))
	mux.HandleFunc("PUT /files/upload/{store}/{name}", s.On(RoutePut, s.host.servePut))
	mux.HandleFunc("PUT /files/multipart/{store}/{name}/{part}", s.On(RoutePut, s.host.servePart))
	mux.HandleFunc("POST /files/multipart/{store}/{name}/complete", s.On(RoutePut, s.host.serveComplete))
	mux.HandleFunc("/trap/", s.On(RouteTrap, serveTrap))

	return mux
}

// serveTrap is where a redirect or a false link of chaos leads. A client that comes here has followed it.
func serveTrap(w http.ResponseWriter, _ *http.Request, _ []byte) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "COMPLETED", "request_id": "trap"})
}
