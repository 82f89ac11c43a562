package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"imagerun/internal/auth"
)

// Deps is what the edge needs. Every field is required unless it says otherwise.
type Deps struct {
	Generations   Generations
	Notifications Notifications
	APIKeys       APIKeys
	Uploads       Uploads
	Credits       Credits
	Payments      *Payments // nil: nothing is sold, and who wants to buy is told so

	Authenticator    Authenticator
	AuthService      http.Handler // answers /api/auth/*: an allow-list in front of the auth service
	TrustedOrigins   []string     // other origins whose browsers may use the session cookie; usually none
	AllowedOrigins   []string     // other origins whose pages may call /v1 with a bearer token; usually none
	CallbackVerifier CallbackVerifier
	Callbacks        Callbacks
	Plans            Plans
	RateLimits       RateLimits

	Metrics *Metrics
	Logger  *slog.Logger
	// Closing is closed when the process begins to stop: waits and streams end then.
	Closing <-chan struct{}
}

// Authenticator says who sends a request, or answers with a fault.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request) (*auth.Principal, error)
}

type server struct {
	Deps

	fail        func(w http.ResponseWriter, r *http.Request, err error)
	contract    *contract
	crossOrigin *http.CrossOriginProtection
	pages       *pages
	openSlots   *slots
	watches     watchThrottle
}

// route is one address and who may use it.
type route struct {
	pattern string // of http.ServeMux: method and path
	access  access
	handler http.HandlerFunc
}

// listRoutes lists every route there is.
func (s *server) listRoutes() []route {
	api := ServerInterfaceWrapper{
		Handler: NewStrictHandlerWithOptions(s, nil, StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  s.badBinding,
			ResponseErrorHandlerFunc: s.fail,
		}),
		ErrorHandlerFunc: s.badBinding,
	}

	var (
		read  = access{scope: auth.ScopeGenerationsRead}
		write = access{scope: auth.ScopeGenerationsWrite}
		money = access{scope: auth.ScopeCreditsRead}
		order = access{scope: auth.ScopeGenerationsWrite, submits: true}
		batch = access{scope: auth.ScopeGenerationsWrite, maxBody: maxBatch} // counts what it submits itself
		buy   = access{scope: auth.ScopePaymentsWrite, asksVendor: true}
		claim = access{scope: auth.ScopePaymentsWrite}
		keys  = access{scope: auth.ScopeAPIKeys, sessionOnly: true}
		open  = access{public: true} // checks its caller itself, or needs no check
	)

	return []route{
		{"POST /v1/generations", order, api.SubmitGeneration},
		{"GET /v1/generations", read, compressReplies(revalidateReplies(api.ListGenerations))},
		{"GET /v1/generations/{id}", read, revalidateReplies(api.GetGeneration)},
		{"DELETE /v1/generations/{id}", write, api.DeleteGeneration},
		{"POST /v1/generations/{id}/cancel", write, api.CancelGeneration},
		{"POST /v1/generations/{id}/remix", order, api.RemixGeneration},
		{"PUT /v1/generations/{id}/favourite", write, api.AddFavourite},
		{"DELETE /v1/generations/{id}/favourite", write, api.RemoveFavourite},
		{"GET /v1/generations/{id}/events", read, s.streamGeneration},
		{"POST /v1/generations/batch", batch, api.SubmitGenerations},
		{"POST /v1/generations/delete", write, api.DeleteGenerations},
		{"POST /v1/generations/cancel", write, api.CancelGenerations},
		{"GET /v1/generations/download", read, s.downloadGenerations},
		{"GET /v1/events", read, s.streamEvents},
		{"GET /v1/models", read, compressReplies(revalidateReplies(api.ListModels))},
		{"GET /v1/models/{id}", read, api.GetModel},
		{"GET /v1/me", read, api.GetMe},
		{"POST /v1/estimates", read, api.EstimateGeneration},
		{"GET /v1/credits", money, api.GetCredits},
		{"GET /v1/credits/entries", money, compressReplies(api.ListCreditEntries)},
		{"GET /v1/products", open, compressReplies(shareReplies(api.ListProducts))},
		{"POST /v1/checkouts", buy, s.whereSold(api.BeginCheckout)},
		{"GET /v1/checkouts/{id}", money, s.whereSold(api.GetCheckout)},
		{"GET /v1/orders", money, s.whereSold(compressReplies(api.ListOrders))},
		{"GET /v1/orders/{id}", money, s.whereSold(api.GetOrder)},
		{"GET /v1/orders/{id}/receipt", money, s.whereSold(s.showReceipt)},
		{"GET /v1/orders/{id}/withdrawal", money, s.whereSold(api.OfferWithdrawal)},
		{"POST /v1/orders/{id}/withdrawal", claim, s.whereSold(api.DeclareWithdrawal)},
		{"GET /v1/subscriptions", money, s.whereSold(api.ListSubscriptions)},
		{"GET /v1/subscriptions/{id}", money, s.whereSold(api.GetSubscription)},
		{"GET /v1/subscriptions/{id}/change", money, s.whereSold(api.PreviewSubscriptionChange)},
		{"POST /v1/subscriptions/{id}/change", buy, s.whereSold(api.ChangeSubscription)},
		{"POST /v1/subscriptions/{id}/cancel", buy, s.whereSold(api.CancelSubscription)},
		{"POST /v1/subscriptions/{id}/resume", buy, s.whereSold(api.ResumeSubscription)},
		{"POST /v1/billing_portal", buy, s.whereSold(api.OpenBillingPortal)},
		{"GET /v1/uploads", read, compressReplies(api.ListUploads)},
		{"POST /v1/uploads", write, api.CreateUpload},
		{"GET /v1/uploads/{id}", read, api.GetUpload},
		{"DELETE /v1/uploads/{id}", write, api.DeleteUpload},
		{"POST /v1/uploads/{id}/complete", write, api.CompleteUpload},
		{"POST /v1/api_keys", keys, api.CreateAPIKey},
		{"GET /v1/api_keys", keys, compressReplies(api.ListAPIKeys)},
		{"DELETE /v1/api_keys/{id}", keys, api.RevokeAPIKey},

		{"/api/auth/{path...}", open, s.authService},
		{"POST /webhooks/fal/{token}", open, s.falCallback},
		{"POST /webhooks/creem", open, s.whereSold(func(w http.ResponseWriter, r *http.Request) { s.Payments.Webhooks.ServeHTTP(w, r) })},
		{"GET /checkout/return/{id}", open, s.showReturn},
		{"GET /{$}", open, s.serveIndex},
		{"GET /openapi.yaml", open, s.serveYAML},
		{"GET /openapi.json", open, s.serveJSON},
	}
}

// New returns the whole public surface. It panics when the embedded contract and the routes do
// not fit, which a test sees first.
func New(d Deps) http.Handler {
	s := &server{
		Deps:        d,
		fail:        Fail(d.Logger),
		contract:    mustContract(),
		crossOrigin: http.NewCrossOriginProtection(),
		pages:       mustPages(),
		openSlots:   newSlots(maxOpen),
	}

	for _, origin := range d.TrustedOrigins {
		if err := s.crossOrigin.AddTrustedOrigin(origin); err != nil {
			panic(err) // configuration was validated before
		}
	}

	mux := http.NewServeMux()
	for _, rt := range s.listRoutes() {
		mux.Handle(rt.pattern, s.guardRoute(rt))
	}

	return s.wrapRequests(s.allowOrigins(s.matchRoute(mux)))
}

// matchRoute hands the request to its route, and makes problems of the mux's own refusals.
func (s *server) matchRoute(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern == "" {
			// The mux's handler for no match says 404, or 405 and Allow; only the verdict is kept.
			verdict := &verdict{header: http.Header{}}
			h.ServeHTTP(verdict, r)

			if verdict.status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", verdict.header.Get("Allow"))
				s.fail(w, r, errMethod)
			} else {
				s.fail(w, r, errNoRoute)
			}

			return
		}

		if cleanPath(r.URL.Path) != r.URL.Path {
			s.fail(w, r, errNoRoute) // no redirects: they repeat the address in their body

			return
		}

		mux.ServeHTTP(w, r)
	})
}

// verdict takes in a reply of the mux that is not sent.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
