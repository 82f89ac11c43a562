package falsim

import (
	"encoding/json"
	"net/http"
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

// deliveryPolicy follows fal's rules: 2xx is delivered, a redirect is a failure for good, a private
// target is dropped, and anything else is tried again, less and less often, until the result
// has expired. https://docs.fal.ai/model-apis/model-endpoints/webhooks (read 2026-11)
func (s *Sim) deliveryPolicy() deliveries.Policy {
	return deliveries.Policy{
		Sign: s.signDelivery,
		Timeout: func(try int) time.Duration {
			if try == 1 {
				return firstTimeout
			}

			return retryTimeout
		},
		Retry: func(d *deliveries.Delivery) (time.Duration, bool) {
			backoff := fromMillis(s.knobs.WebhookBackoffMS)
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
	d := &deliveries.Delivery{Event: r.id, URL: r.webhook, Until: r.expiresAt(s.knobs.ResultTTLMS), Body: r.noticeBody()}

	switch k := &s.knobs; {
	case isNth(n, k.ForgeEveryNth):
		d.Fault = faultForged
	case isNth(n, k.WrongUserEveryNth):
		d.Fault = faultWrongUser
	case isNth(n, k.StaleEveryNth):
		d.Fault = faultStale
	case k.WebhookFault != "" && (k.WebhookFaultEveryNth == 0 || isNth(n, k.WebhookFaultEveryNth)):
		s.Courier.Falsify(d, k.WebhookFault)
	}

	due := r.finished.Add(fromMillis(s.knobs.WebhookDelayMS))

	switch {
	case isNth(n, s.knobs.LoseEveryNth):
		s.Courier.Lose(d)
	case isNth(n, s.knobs.DoubleEveryNth):
		s.Courier.Double(d, due)
	case d.Fault != "":
		s.Courier.Plan(d, due)
	default:
		s.Deliver(d, due)
	}
}

// noticeBody is the webhook's body.
func (r *request) noticeBody() []byte {
	n := map[string]any{"request_id": r.id, "gateway_request_id": r.gateway, "status": "OK"}

	if payload := r.resultBody(); json.Valid(payload) {
		n["payload"] = json.RawMessage(payload)
	} else {
		n["payload"], n["payload_error"] = nil, unpackedText
	}

	if r.outcome.status != http.StatusOK {
		n["status"], n["error"] = "ERROR", "Invalid status code: "+strconv.Itoa(r.outcome.status)
	}

	return encodeJSON(n)
}

// findNotice is what the kit delivers of a request, by its id: nothing before it has finished. The caller holds mu.
func (s *Sim) findNotice(id string) (target string, body []byte, ok bool) {
	r := s.requests[id]
	if r == nil || r.phase != done {
		return "", nil, false
	}

	return r.webhook, r.noticeBody(), true
}
