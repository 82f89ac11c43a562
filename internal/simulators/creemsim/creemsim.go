package creemsim

import (
	"html/template"
	"io"
	"net/http"
	"sync"
	"time"

	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/chaos"
	"imagerun/internal/simulators/kit/knobs"
)

// Options set a simulator up. Only APIKey is needed.
type Options struct {
	// APIKey is the one accepted key. It is also the salt of the return URLs' signature.
	APIKey string
	// WebhookURL is where the first webhook endpoint is. Empty: there is none.
	WebhookURL string
	// WebhookSecret signs what goes to it, the whole text as it is. Empty: "whsec_simulated".
	WebhookSecret string
	// Products are what there is to buy.
	Products []Product
	// Seed makes ids and chances the same in every run. Zero: random.
	Seed uint64
	// BaseURL is how the simulator names itself in the URLs it returns. Empty: from the Host of the call.
	BaseURL string
	// AllowPrivateCallbacks lets webhooks go to private and loopback addresses and to plain http.
	AllowPrivateCallbacks bool
	// MaxLog bounds the calls remembered; the oldest of the busiest route go first. Zero: 5,000.
	MaxLog int
	// Knobs are the hostile settings to begin with.
	Knobs Knobs
	// Now is the clock to go by. Nil: the machine's. Call Tick after moving it.
	Now func() time.Time
}

// Sim is a simulator. Create it with [New], serve [Sim.Handler], end it with its Close.
type Sim struct {
	*kit.Kit

	opts Options
	gate kit.Credential

	mu            sync.Mutex // guards all below, and the kit
	knobs         Knobs
	products      []*product
	customers     []*customer
	checkouts     []*checkout
	orders        []*order
	transactions  []*transaction
	subscriptions []*subscription
	discounts     []*discount
	endpoints     []*endpoint
	events        []*event
	accounts      []*creditAccount
	screened      map[string]bool // prompts
	count         counters
}

// New makes a simulator. It serves nothing and starts nothing by itself.
func New(o Options) *Sim {
	if o.WebhookSecret == "" {
		o.WebhookSecret = "whsec_simulated"
	}

	s := &Sim{opts: o, gate: kit.Credential{Header: headerKey, Keys: []string{o.APIKey}}}
	s.Kit = kit.New(&s.mu, kit.Options{
		Seed: o.Seed, BaseURL: o.BaseURL, AllowPrivateCallbacks: o.AllowPrivateCallbacks, MaxLog: o.MaxLog, Now: o.Now,
	}, s.buildVendor())
	s.resetState()

	return s
}

// buildVendor is what the kit must know of Creem.
func (s *Sim) buildVendor() kit.Vendor {
	return kit.Vendor{
		Name: "creemsim", Routes: callRoutes(), Secrets: []string{headerKey}, Refusal: refusalBody,
		Deliveries: s.deliveryPolicy(), Notice: s.findNotice, Reset: s.resetState,
		Knobs: knobs.Serve(s.Knobs, s.turnKnobs), Stats: func() any { return s.Stats() }, Page: template.HTML(controlPage), //nolint:gosec // our own page
	}
}

// resetState puts everything back to the beginning. The caller holds mu, or is New.
func (s *Sim) resetState() {
	s.knobs = s.opts.Knobs
	s.Tune(s.knobs.kitKnobs())
	s.products, s.customers, s.checkouts, s.orders, s.transactions = nil, nil, nil, nil, nil
	s.subscriptions, s.discounts, s.endpoints, s.events = nil, nil, nil, nil
	s.accounts, s.screened = nil, map[string]bool{}
	s.count = counters{}

	for _, p := range s.opts.Products {
		s.addProduct(p)
	}

	if s.opts.WebhookURL != "" {
		s.endpoints = append(s.endpoints, &endpoint{
			id: s.newID("wh"), url: s.opts.WebhookURL, mode: modeHTTP, isEnabled: true, secret: s.opts.WebhookSecret,
		})
	}
}

// Handler serves everything under one base URL: /v1 as Creem does, the hosted checkout below /checkout, and the
// control surface below /_control.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/checkouts", s.serveAPI(RouteCheckouts, s.createCheckout))
	mux.Handle("GET /v1/checkouts", s.serveAPI(RouteCheckout, s.readCheckout))
	s.routeProducts(mux)
	s.routeCustomers(mux)
	mux.Handle("GET /v1/transactions", s.serveAPI(RouteTransactions, s.readTransaction))
	mux.Handle("GET /v1/transactions/search", s.serveAPI(RouteTransactions, s.searchTransactions))
	mux.Handle("POST /v1/refunds", s.serveAPI(RouteRefunds, s.createRefund))
	s.routeSubscriptions(mux)
	s.routeDiscounts(mux)
	mux.Handle("GET /v1/stats/summary", s.serveAPI(RouteStats, s.readSummary))
	mux.Handle("POST /v1/moderation/prompt", s.serveAPI(RouteModeration, s.screenPrompt))
	s.routeEndpoints(mux)
	s.routeCredits(mux)
	mux.HandleFunc("GET /checkout/{id}", s.On(RoutePage, s.servePage))
	mux.HandleFunc("POST /checkout/{id}", s.On(RoutePage, s.servePageForm))
	mux.HandleFunc("GET /portal/{id}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "The customer portal is not imitated.\n")
	})
	mux.HandleFunc(chaos.TrapPath, s.On(RouteTrap, func(w http.ResponseWriter, _ *http.Request, _ []byte) { knobs.Answer(w, http.StatusOK, object{}) }))
	mux.Handle("/_control/", s.Control())
	mux.Handle("/v1/", s.serveAPI(RouteUnknown, func(*call) (any, error) { return nil, notFound("Cannot find this path") }))

	return mux
}
