package creemsim

import (
	"net/http"
	"net/url"
	"slices"
)

// How events reach an endpoint.
const (
	modeHTTP = "http" // they are posted to it
	modeCLI  = "cli"  // they wait in its feed
)

// storeID is the one store that there is.
const storeID = "sto_simulated"

// endpoint is where events go.
type endpoint struct {
	id, name, url, mode, secret string
	isEnabled                   bool
	events                      []string        // empty: all
	pending                     []*event        // of its feed, the oldest first
	acked                       map[string]bool // of its feed, by event: whether it went well
}

// wantsEvent reports whether an endpoint is told of a type.
func (e *endpoint) wantsEvent(kind string) bool {
	return e.isEnabled && (len(e.events) == 0 || slices.Contains(e.events, kind))
}

// AddEndpoint registers a URL for events, all of them if no type is named, and returns the secret that signs what
// goes there.
func (s *Sim) AddEndpoint(url string, events ...string) (secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.addEndpoint(endpoint{url: url, mode: modeHTTP, events: events}).secret
}

func (s *Sim) addEndpoint(e endpoint) *endpoint {
	e.id, e.secret, e.isEnabled, e.acked = s.newID("wh"), s.newID("whsec"), true, map[string]bool{}
	s.endpoints = append(s.endpoints, &e)

	return &e
}

func (s *Sim) findEndpoint(id string) (*endpoint, error) {
	for _, e := range s.endpoints {
		if e.id == id {
			return e, nil
		}
	}

	return nil, notFound("Webhook not found")
}

// findSecret is what signs a delivery. A target that is no endpoint's gets the first one's.
func (s *Sim) findSecret(id, url string) string {
	for _, e := range s.endpoints {
		if id != "" && e.id == id || id == "" && e.url == url {
			return e.secret
		}
	}

	return s.opts.WebhookSecret
}

// renderEndpoint writes an endpoint. Its secret is told once, when it is made.
func renderEndpoint(e *endpoint) object {
	out := object{
		"id": e.id, "mode": modeTest, "object": "webhook", "store_id": storeID, "name": nil, "url": e.url, "delivery_mode": e.mode,
		"status": "disabled", "events": append([]string{}, e.events...),
	}

	if e.name != "" {
		out["name"] = e.name
	}

	if e.isEnabled {
		out["status"] = "enabled"
	}

	return out
}

func (s *Sim) routeEndpoints(mux *http.ServeMux) {
	one := func(do func(*call, *endpoint) (any, error)) http.Handler {
		return s.serveAPI(RouteEndpoints, func(c *call) (any, error) {
			e, err := s.findEndpoint(c.r.PathValue("id"))
			if err != nil {
				return nil, err
			}

			return do(c, e)
		})
	}

	mux.Handle("GET /v1/webhooks", s.serveAPI(RouteEndpoints, func(c *call) (any, error) {
		return listPage(c, 10, newestFirst(s.endpoints), renderEndpoint)
	}))
	mux.Handle("POST /v1/webhooks", s.serveAPI(RouteEndpoints, s.createEndpoint))
	mux.Handle("GET /v1/webhooks/{id}", one(func(_ *call, e *endpoint) (any, error) { return renderEndpoint(e), nil }))
	mux.Handle("PATCH /v1/webhooks/{id}", one(changeEndpoint))
	mux.Handle("DELETE /v1/webhooks/{id}", one(func(_ *call, e *endpoint) (any, error) {
		s.endpoints = slices.DeleteFunc(s.endpoints, func(other *endpoint) bool { return other == e })

		return renderEndpoint(e), nil
	}))
	mux.Handle("GET /v1/webhooks/{id}/secret", one(func(_ *call, e *endpoint) (any, error) { return object{"secret": e.secret}, nil }))
	s.routeFeed(mux)
}

// endpointFields are what create and patch may say of an endpoint. Absent: nil.
type endpointFields struct {
	URL    *string  `json:"url"`
	Name   *string  `json:"name"`
	Mode   string   `json:"delivery_mode"`
	Status string   `json:"status"`
	Events []string `json:"events"`
}

// checkValues refuses what Creem refuses. Plain http is for development, which this is.
func (in endpointFields) checkValues() error {
	if in.URL != nil {
		u, err := url.Parse(*in.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return badRequest("url must be a URL address")
		}
	}

	for _, kind := range in.Events {
		if !slices.Contains(eventTypes(), kind) {
			return badRequest("each value in events must be one of Creem's event types")
		}
	}

	if !slices.Contains([]string{"", "enabled", "disabled"}, in.Status) {
		return badRequest("status must be one of the following values: enabled, disabled")
	}

	return nil
}

// createEndpoint makes one. A cli endpoint has a URL as well, which is never called.
func (s *Sim) createEndpoint(c *call) (any, error) {
	var in endpointFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if err := in.checkValues(); err != nil {
		return nil, err
	}

	made := endpoint{mode: modeHTTP, events: in.Events}

	switch {
	case in.Mode == modeCLI:
		made.mode, made.url = modeCLI, "https://cli.creem.io/never-called"
	case in.Mode != "" && in.Mode != modeHTTP:
		return nil, badRequest("delivery_mode must be one of the following values: http, cli")
	case in.URL == nil:
		return nil, badRequest("url must be a URL address")
	default:
		made.url = *in.URL
	}

	if in.Name != nil {
		made.name = *in.Name
	}

	e := s.addEndpoint(made)
	out := renderEndpoint(e)
	out["secret"] = e.secret

	return out, nil
}

func changeEndpoint(c *call, e *endpoint) (any, error) {
	var in endpointFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if err := in.checkValues(); err != nil {
		return nil, err
	}

	if in.URL != nil {
		e.url = *in.URL
	}

	if in.Name != nil {
		e.name = *in.Name
	}

	if in.Events != nil {
		e.events = in.Events
	}

	if in.Status != "" {
		e.isEnabled = in.Status == "enabled"
	}

	return renderEndpoint(e), nil
}
