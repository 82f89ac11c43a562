package creemsim

import (
	"encoding/json"
	"slices"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
)

const (
	maxEvents  = 20_000         // that are remembered
	givenUp    = 24 * time.Hour // after which an event is not tried again
	reorderGap = time.Second
)

// eventTypes are all that Creem has. Those of customer credits are never sent here.
func eventTypes() []string {
	return []string{
		"checkout.completed", "refund.created", "dispute.created", "subscription.active", "subscription.trialing", "subscription.canceled",
		"subscription.scheduled_cancel", "subscription.paid", "subscription.expired", "subscription.unpaid", "subscription.update",
		"subscription.past_due", "subscription.paused", "customer_credits.exhausted", "credits.granted", "credits.consumed", "credits.auto_recharged",
	}
}

// notice is something to tell of.
type notice struct {
	kind   string
	object object
}

// Event is something that happened and was told of.
type Event struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"` // the exact bytes of every delivery
}

type event struct{ Event }

// Events lists what was told of, the oldest first.
func (s *Sim) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	out := make([]Event, 0, len(s.events))
	for _, e := range s.events {
		out = append(out, e.Event)
	}

	return out
}

// emit tells the endpoints of what one cause brought about, at its hour. The caller holds mu, and has the clock
// advance afterwards. https://docs.creem.io/code/webhooks (read 2026-11)
func (s *Sim) emit(at time.Time, notices ...notice) {
	for i, n := range notices {
		if s.knobs.Bodies == BodiesDocumented {
			documentObjects(n.object)
			documentEvent(n.kind, n.object)
		}

		e := &event{Event{ID: s.newID("evt"), Type: n.kind, At: at}}

		body, err := json.Marshal(object{"id": e.ID, "eventType": e.Type, "created_at": at.UnixMilli(), "object": n.object})
		if err != nil {
			panic(err) // only our own types get here, and metadata that was JSON
		}

		e.Body = body
		s.count.Events++

		if len(s.events) >= maxEvents {
			s.events = slices.Delete(s.events, 0, maxEvents/10)
		}

		s.events = append(s.events, e)

		due := at.Add(time.Duration(s.knobs.DelayWebhooksMS) * time.Millisecond)
		if s.knobs.ReorderWebhooks {
			due = due.Add(time.Duration(len(notices)-1-i) * reorderGap)
		}

		for _, to := range s.endpoints {
			if to.wantsEvent(e.Type) {
				s.sendEvent(to, e, due)
			}
		}
	}
}

// sendEvent plans the delivery of one event to one endpoint, as the knobs have it.
func (s *Sim) sendEvent(to *endpoint, e *event, due time.Time) {
	if to.mode == modeCLI {
		to.pending = append(to.pending, e)

		return
	}

	now := s.Clock.Now()
	if due.After(now) {
		now = due
	}

	// After a leap of the clock an event of long ago is tried as long as one of now.
	d := &deliveries.Delivery{Event: e.ID, Endpoint: to.id, URL: to.url, Body: e.Body, Until: now.Add(givenUp)}

	switch k := &s.knobs; {
	case k.LoseWebhooks:
		s.Courier.Lose(d)
	case k.DoubleWebhooks:
		s.Courier.Double(d, due)
	case k.WebhookFault != "":
		s.Courier.Falsify(d, k.WebhookFault)
		s.Courier.Plan(d, due)
	default:
		s.Deliver(d, due)
	}
}

// findNotice is what the kit sends again: an event by its id, or the newest of a type. It goes to the first
// endpoint that wants it. The caller holds mu.
func (s *Sim) findNotice(name string) (target string, body []byte, ok bool) {
	for _, e := range slices.Backward(s.events) {
		if e.ID != name && e.Type != name {
			continue
		}

		for _, to := range s.endpoints {
			if to.mode == modeHTTP && to.wantsEvent(e.Type) {
				return to.url, e.Body, true
			}
		}

		return "", e.Body, true
	}

	return "", nil, false
}
