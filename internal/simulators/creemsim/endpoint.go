package creemsim

import "slices"

// How events reach an endpoint.
const (
	modeHTTP = "http" // they are posted to it
	modeCLI  = "cli"  // they wait in its feed
)

// endpoint is where events go.
type endpoint struct {
	id, url, mode, secret string
	isEnabled             bool
	events                []string // empty: all
	pending               []*event // of its feed, the oldest first
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
	e.id, e.secret, e.isEnabled = s.newID("wh"), s.newID("whsec"), true
	s.endpoints = append(s.endpoints, &e)

	return &e
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
