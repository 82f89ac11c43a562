package falsim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxPosts     = 32 // under way at once
	maxTries     = 31
	firstTimeout = 15 * time.Second
	retryTimeout = 120 * time.Second
	maxBackoff   = 5 * time.Minute
)

// Webhook is one webhook and what became of it.
type Webhook struct {
	RequestID string    `json:"request_id"`
	URL       string    `json:"url"`
	State     string    `json:"state"`            // waiting, sending, delivered, lost, dropped or failed
	Manner    string    `json:"manner,omitempty"` // forged, wrong_user or stale
	Tries     int       `json:"tries"`
	Status    int       `json:"status,omitempty"` // of the last try
	Error     string    `json:"error,omitempty"`
	Due       time.Time `json:"due"`
	Until     time.Time `json:"until"` // no retry after this
}

// The manners of a webhook that is not to be believed.
const (
	mannerForged    = "forged"
	mannerWrongUser = "wrong_user"
	mannerStale     = "stale"
)

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

	switch {
	case every(n, s.knobs.ForgeEveryNth):
		d.Manner = mannerForged
	case every(n, s.knobs.WrongUserEveryNth):
		d.Manner = mannerWrongUser
	case every(n, s.knobs.StaleEveryNth):
		d.Manner = mannerStale
	}

	if every(n, s.knobs.LoseEveryNth) {
		d.State = "lost"
		s.count.WebhooksLost++
		s.remember(d)

		return
	}

	s.plan(d, r.finished.Add(millis(s.knobs.WebhookDelayMS)))

	if every(n, s.knobs.DoubleEveryNth) {
		twin := *d
		s.count.WebhooksDoubled++
		s.plan(&twin, r.finished.Add(millis(s.knobs.WebhookDelayMS)))
	}
}

// notice is the webhook's body.
func (r *request) notice() []byte {
	n := map[string]any{"request_id": r.id, "gateway_request_id": r.id, "status": "OK", "payload": json.RawMessage(r.read())}
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
	s.at(due, func() { s.post(d) })
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

	next := s.now().Add(min(backoff<<min(d.Tries-1, 20), maxBackoff))

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
		s.at(next, func() { s.post(d) })
	}
}

// sign makes the HTTP request with fal's four headers. The timestamp is that of this try.
func (s *Sim) sign(d *delivery) (*http.Request, error) {
	target, err := url.Parse(d.URL)
	if err != nil || target.Host == "" || target.Scheme != "https" && !(target.Scheme == "http" && s.opts.AllowPrivateCallbacks) {
		return nil, errPrivateTarget
	}

	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, d.URL, bytes.NewReader(d.body))
	if err != nil {
		return nil, errPrivateTarget
	}

	key, user, at := s.keys[len(s.keys)-1], s.opts.UserID, s.now()

	switch d.Manner {
	case mannerForged:
		key = s.foreign
	case mannerWrongUser:
		user = "user_somebody_else"
	case mannerStale:
		at = at.Add(-time.Hour)
	}

	req.Header = Sign(key, d.RequestID, user, at, d.body)

	return req, nil
}

// Sign returns fal's webhook headers for a body.
func Sign(key ed25519.PrivateKey, requestID, userID string, at time.Time, body []byte) http.Header {
	sum := sha256.Sum256(body)
	stamp := strconv.FormatInt(at.Unix(), 10)
	text := strings.Join([]string{requestID, userID, stamp, hex.EncodeToString(sum[:])}, "\n")

	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-Fal-Webhook-Request-Id", requestID)
	h.Set("X-Fal-Webhook-User-Id", userID)
	h.Set("X-Fal-Webhook-Timestamp", stamp)
	h.Set("X-Fal-Webhook-Signature", hex.EncodeToString(ed25519.Sign(key, []byte(text))))

	return h
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

func (s *Sim) serveJWKS(w http.ResponseWriter, _ *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	keys := []map[string]string{}

	for _, k := range s.keys {
		public, _ := k.Public().(ed25519.PublicKey)
		keys = append(keys, map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)})
	}

	answer(w, http.StatusOK, map[string]any{"keys": keys})
}

// RotateKey signs with a new key from now on; the old ones stay published if keep is set.
func (s *Sim) RotateKey(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if !keep {
		s.keys = nil
	}

	s.keys = append(s.keys, s.newKey())
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

// SendWebhook posts the webhook of a finished request now: again, or forged, with the wrong
// user or stale if manner says so. Target and body replace the request's own when not empty.
func (s *Sim) SendWebhook(requestID, manner, target string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.advance()

	d := &delivery{Webhook: Webhook{RequestID: requestID, URL: target, Manner: manner, Until: s.now().Add(time.Hour)}, body: body}

	if r := s.requests[requestID]; r != nil && r.phase == done {
		if d.URL == "" {
			d.URL = r.webhook
		}

		if len(d.body) == 0 {
			d.body = r.notice()
		}
	}

	if d.URL == "" || len(d.body) == 0 {
		return errors.New("no such finished request, and no target and body given")
	}

	s.plan(d, s.now())
	s.advance()

	return nil
}
