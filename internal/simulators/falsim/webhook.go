package falsim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	maxPosts     = 32 // under way at once
	maxTries     = 31
	firstTimeout = 15 * time.Second
	retryTimeout = 120 * time.Second
	maxBackoff   = 5 * time.Minute
)

var errPrivateTarget = errors.New("the target is a private address")

// Webhook is one webhook and what became of it.
type Webhook struct {
	RequestID string    `json:"request_id"`
	URL       string    `json:"url"`
	State     string    `json:"state"`           // waiting, sending, delivered, lost, dropped or failed
	Fault     string    `json:"fault,omitempty"` // one of WebhookFaults
	Tries     int       `json:"tries"`
	Status    int       `json:"status,omitempty"` // of the last try
	Error     string    `json:"error,omitempty"`
	Due       time.Time `json:"due"`
	Until     time.Time `json:"until"` // no retry after this
	// Chaos is what chaos did to it. Empty: nothing.
	Chaos string `json:"chaos,omitempty"`
}

type delivery struct {
	Webhook

	body []byte
}

// callBack plans the webhook of a finished request. The caller holds mu.
func (s *Sim) callBack(r *request) {
	s.count.WebhooksDue++
	n := s.count.WebhooksDue
	d := &delivery{
		Webhook: Webhook{RequestID: r.id, URL: r.webhook, Until: s.expires(r)},
		body:    r.notice(),
	}

	switch k := &s.knobs; {
	case every(n, k.ForgeEveryNth):
		d.Fault = faultForged
	case every(n, k.WrongUserEveryNth):
		d.Fault = faultWrongUser
	case every(n, k.StaleEveryNth):
		d.Fault = faultStale
	case k.WebhookFault != "" && (k.WebhookFaultEveryNth == 0 || every(n, k.WebhookFaultEveryNth)):
		d.Fault = k.WebhookFault
		d.body = webhookFaultOf(d.Fault).apply(d.body)
	}

	due := r.finished.Add(millis(s.knobs.WebhookDelayMS))

	switch {
	case every(n, s.knobs.LoseEveryNth):
		s.lose(d)
	case every(n, s.knobs.DoubleEveryNth):
		twin := *d
		s.count.WebhooksDoubled++
		s.plan(d, due)
		s.plan(&twin, due)
	case d.Fault != "":
		s.plan(d, due)
	default:
		if odd := s.monkey.Choose(RouteWebhook); odd != nil {
			s.spoilWebhook(d, odd.Name, due)
		} else {
			s.plan(d, due)
		}
	}
}

func (s *Sim) lose(d *delivery) {
	d.State = "lost"
	s.count.WebhooksLost++
	s.remember(d)
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

func (s *Sim) remember(d *delivery) {
	if len(s.hooked) >= maxHookings {
		s.hooked = slices.Delete(s.hooked, 0, maxHookings/10)
	}

	s.hooked = append(s.hooked, d)
}

func (s *Sim) plan(d *delivery, due time.Time) {
	d.State, d.Due = "waiting", due
	s.remember(d)
	s.clock.At(due, func() { s.post(d) })
}

// post sends one webhook in the background, or leaves it to the next that is done. mu is held.
func (s *Sim) post(d *delivery) {
	if s.ctx.Err() != nil {
		return
	}

	if s.posting >= maxPosts {
		s.waiting = append(s.waiting, d)

		return
	}

	s.posting++
	d.State = "sending"
	d.Tries++
	s.count.WebhooksSent++
	req, err := s.sign(d)
	timeout := retryTimeout

	if d.Tries == 1 {
		timeout = firstTimeout
	}

	s.posts.Go(func() {
		code := 0
		if err == nil {
			code, err = s.send(req, timeout)
		}

		s.mu.Lock()
		defer s.mu.Unlock()

		s.posting--
		s.settle(d, code, err)

		if len(s.waiting) > 0 {
			next := s.waiting[0]
			s.waiting = s.waiting[1:]
			s.post(next)
		}

		s.advance()
	})
}

// settle follows fal's rules: 2xx is delivered, a redirect is a failure for good, a private
// target is dropped, and anything else is tried again, less and less often, until the result
// has expired. https://docs.fal.ai/model-apis/model-endpoints/webhooks (read 2026-11)
func (s *Sim) settle(d *delivery, code int, err error) {
	d.Status, d.Error = code, ""
	if err != nil {
		d.Error = err.Error()
	}

	backoff := millis(s.knobs.WebhookBackoffMS)
	if backoff == 0 {
		backoff = time.Second
	}

	next := s.clock.Now().Add(min(backoff<<min(d.Tries-1, 20), maxBackoff))

	switch {
	case errors.Is(err, errPrivateTarget):
		d.State = "dropped"
	case code >= 200 && code < 300:
		d.State = "delivered"
		s.count.WebhooksDelivered++
	case code >= 300 && code < 400, d.Tries >= maxTries, next.After(d.Until):
		d.State = "failed"
	default:
		d.State, d.Due = "waiting", next
		s.clock.At(next, func() { s.post(d) })
	}
}

func (s *Sim) send(req *http.Request, timeout time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	defer cancel()

	res, err := s.hooks.Do(req.WithContext(ctx)) //nolint:gosec // the caller's own address, as fal
	if err != nil {
		return 0, err
	}

	return res.StatusCode, res.Body.Close()
}

// Webhooks lists the webhooks, the oldest first.
func (s *Sim) Webhooks() []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()

	out := make([]Webhook, 0, len(s.hooked))
	for _, d := range s.hooked {
		out = append(out, d.Webhook)
	}

	return out
}

// SendWebhook posts the webhook of a finished request now: again, or in one of [WebhookFaults].
// Target and body replace the request's own when not empty.
func (s *Sim) SendWebhook(requestID, fault, target string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	if fault != "" && !slices.Contains(WebhookFaults(), fault) {
		return errors.New("no such fault")
	}

	d := &delivery{Webhook: Webhook{RequestID: requestID, URL: target, Fault: fault, Until: s.clock.Now().Add(time.Hour)}, body: body}

	if r := s.requests[requestID]; r != nil && r.phase == done {
		if d.URL == "" {
			d.URL = r.webhook
		}

		if len(d.body) == 0 {
			d.body = webhookFaultOf(fault).apply(r.notice())
		}
	}

	if d.URL == "" || len(d.body) == 0 {
		return errors.New("no such finished request, and no target and body given")
	}

	s.plan(d, s.clock.Now())
	s.advance()

	return nil
}
