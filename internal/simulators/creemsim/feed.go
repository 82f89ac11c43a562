package creemsim

import (
	"net/http"
	"slices"
	"strconv"
)

const (
	defaultPending = 50
	maxPending     = 100
)

// routeFeed serves the events that wait for a cli endpoint, which nobody posts.
func (s *Sim) routeFeed(mux *http.ServeMux) {
	mux.Handle("GET /v1/webhooks/{id}/events/pending", s.serveAPI(RouteFeed, s.listPending))
	mux.Handle("POST /v1/webhooks/{id}/events/{event}/ack", s.serveAPI(RouteFeed, s.ackEvent))
}

func (s *Sim) findFeed(c *call) (*endpoint, error) {
	e, err := s.findEndpoint(c.r.PathValue("id"))
	if err == nil && e.mode != modeCLI {
		err = badRequest("The delivery mode of this webhook is not cli")
	}

	return e, err
}

// listPending lists what waits, the oldest first, each with the exact body and the headers of a delivery.
func (s *Sim) listPending(c *call) (any, error) {
	e, err := s.findFeed(c)
	if err != nil {
		return nil, err
	}

	limit := defaultPending

	if text := c.readQuery("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPending {
			return nil, badRequest("limit must be 1 to 100")
		}
	}

	items := []object{}

	for _, one := range e.pending[:min(limit, len(e.pending))] {
		items = append(items, object{
			"id": one.ID, "object": "webhook_pending_event", "event_type": one.Type, "created_at": formatTime(one.At), "body": string(one.Body),
			"headers": map[string]string{"content-type": "application/json", headerSignature: signBody(one.Body, e.secret)},
		})
	}

	return object{"items": items}, nil
}

// ackEvent takes an event out of the feed, also when it says that it went wrong. A second ack is answered as the
// first was.
func (s *Sim) ackEvent(c *call) (any, error) {
	e, err := s.findFeed(c)
	if err != nil {
		return nil, err
	}

	var in struct {
		Status int    `json:"status_code"`
		Body   string `json:"response_body"`
	}
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if in.Status < 100 || in.Status > 599 || len(in.Body) > 10_000 {
		return nil, badRequest("status_code must be 100 to 599, response_body at most 10000 characters")
	}

	id := c.r.PathValue("event")
	went, isKnown := e.acked[id]

	if !isKnown {
		at := slices.IndexFunc(e.pending, func(one *event) bool { return one.ID == id })
		if at < 0 {
			return nil, notFound("Event not found")
		}

		e.pending = slices.Delete(e.pending, at, at+1)
		went = in.Status >= 200 && in.Status < 300
		e.acked[id] = went
	}

	return object{"id": id, "object": "webhook_event_ack", "success": went}, nil
}
