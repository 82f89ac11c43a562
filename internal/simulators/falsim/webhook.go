package falsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
)

const (
	maxTries     = 31
	firstTimeout = 15 * time.Second
	retryTimeout = 120 * time.Second
	maxBackoff   = 5 * time.Minute
)

// delivery follows fal's rules: 2xx is delivered, a redirect is a failure for good, a private
// target is dropped, and anything else is tried again, less and less often, until the result
// has expired. https://docs.fal.ai/model-apis/model-endpoints/webhooks (read 2026-11)
func (s *Sim) delivery() deliveries.Policy {
	return deliveries.Policy{
		Sign: s.sign,
		Timeout: func(try int) time.Duration {
			if try == 1 {
				return firstTimeout
			}

			return retryTimeout
		},
		Retry: func(d *deliveries.Delivery) (time.Duration, bool) {
			backoff := millis(s.knobs.WebhookBackoffMS)
			if backoff == 0 {
				backoff = time.Second
			}

			redirected := d.Status >= 300 && d.Status < 400

			return min(backoff<<min(d.Tries-1, 20), maxBackoff), !redirected && d.Tries < maxTries
		},
		Faults: webhookFaults(),
	}
}

// callBack plans the webhook of a finished request. The caller holds mu.
func (s *Sim) callBack(r *request) {
	s.count.WebhooksDue++
	n := s.count.WebhooksDue
	d := &deliveries.Delivery{Event: r.id, URL: r.webhook, Until: s.expires(r), Body: r.notice()}

	switch k := &s.knobs; {
	case every(n, k.ForgeEveryNth):
		d.Fault = faultForged
	case every(n, k.WrongUserEveryNth):
		d.Fault = faultWrongUser
	case every(n, k.StaleEveryNth):
		d.Fault = faultStale
	case k.WebhookFault != "" && (k.WebhookFaultEveryNth == 0 || every(n, k.WebhookFaultEveryNth)):
		s.courier.Falsify(d, k.WebhookFault)
	}

	due := r.finished.Add(millis(s.knobs.WebhookDelayMS))

	switch {
	case every(n, s.knobs.LoseEveryNth):
		s.courier.Lose(d)
	case every(n, s.knobs.DoubleEveryNth):
		s.courier.Double(d, due)
	case d.Fault != "":
		s.courier.Plan(d, due)
	default:
		if f := s.monkey.Choose(RouteWebhook); f != nil {
			s.courier.PlanSpoiled(d, due, f.Name, millis(s.knobs.Chaos.Hold()))
		} else {
			s.courier.Plan(d, due)
		}
	}
}

// notice is the webhook's body.
func (r *request) notice() []byte {
	n := map[string]any{"request_id": r.id, "gateway_request_id": r.gateway, "status": "OK"}

	if payload := r.read(); json.Valid(payload) {
		n["payload"] = json.RawMessage(payload)
	} else {
		n["payload"], n["payload_error"] = nil, unpackedText
	}

	if r.outcome.status != http.StatusOK {
		n["status"], n["error"] = "ERROR", "Invalid status code: "+strconv.Itoa(r.outcome.status)
	}

	return encode(n)
}

// Deliveries lists the webhooks, the oldest first.
func (s *Sim) Deliveries() []deliveries.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.courier.List()
}

// SendWebhook posts the webhook of a finished request now: again, or with one of [WebhookFaults].
// Target and body replace the request's own when not empty.
func (s *Sim) SendWebhook(requestID, fault, target string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	if fault != "" && !slices.Contains(WebhookFaults(), fault) {
		return errors.New("no such fault")
	}

	d := &deliveries.Delivery{Event: requestID, URL: target, Fault: fault, Until: s.clock.Now().Add(time.Hour), Body: body}

	if r := s.requests[requestID]; r != nil && r.phase == done {
		if d.URL == "" {
			d.URL = r.webhook
		}

		if len(d.Body) == 0 {
			d.Body = r.notice()
			s.courier.Falsify(d, fault)
		}
	}

	if d.URL == "" || len(d.Body) == 0 {
		return errors.New("no such finished request, and no target and body given")
	}

	s.courier.Plan(d, s.clock.Now())
	s.advance()

	return nil
}
