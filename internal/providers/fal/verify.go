package fal

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// ErrSignature is every reason not to believe a webhook; the cause says which.
var ErrSignature = fault.New(fault.Unauthenticated, "webhook_signature_invalid",
	"The webhook is not signed as it has to be, or it is too old.")

const (
	maxSkew     = 300 * time.Second // fal's documentation: reject when further off
	maxKeyAge   = 24 * time.Hour    // fal's documentation: do not cache longer
	refetch     = time.Minute       // between fetches of the keys that a bad signature causes
	refetchNone = 5 * time.Second   // the same, while there are no keys at all
	jwksLimit   = 64 << 10          // bytes
	jwksTimeout = 3 * time.Second   // the sender of a webhook is answered within five
)

// VerifierOptions set a verifier up.
type VerifierOptions struct {
	// JWKSURL is where fal publishes its keys. Empty: "https://rest.fal.ai/.well-known/jwks.json".
	JWKSURL string
	// UserID is our account, as fal writes it in X-Fal-Webhook-User-Id. Empty: nothing is believed.
	UserID string
	// Now is the clock.
	Now clock.Now
	// Metrics count the calls. Nil: nothing does.
	Metrics *outbound.Metrics
}

// Verifier tells fal's webhooks from forgeries. It is safe for concurrent use.
type Verifier struct {
	o        VerifierOptions
	keysHost *outbound.Client

	mu      sync.Mutex // guards the keys; held while they are fetched
	keys    []ed25519.PublicKey
	fetched time.Time // zero: never
	tried   time.Time // zero: never
}

// NewVerifier makes a verifier. It dials nothing.
func NewVerifier(o VerifierOptions) *Verifier {
	if o.JWKSURL == "" {
		o.JWKSURL = "https://rest.fal.ai/.well-known/jwks.json"
	}

	return &Verifier{o: o, keysHost: outbound.New(outbound.Options{Vendor: vendor, Timeout: jwksTimeout, Metrics: o.Metrics})}
}

// Close ends the idle connections.
func (v *Verifier) Close() { v.keysHost.Close() }

// Verify checks a webhook as it came in, body unread and unchanged, and returns what may be
// kept of it. The error is [ErrSignature] whatever is wrong, and so it is when fal's keys
// cannot be had: the poll collects what is refused here.
// https://docs.fal.ai/model-apis/model-endpoints/webhooks (read 2026-11)
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte) (providers.Callback, error) {
	id, user, stamp := singleHeader(header, "X-Fal-Webhook-Request-Id"), singleHeader(header, "X-Fal-Webhook-User-Id"), singleHeader(header, "X-Fal-Webhook-Timestamp")

	signature, err := hex.DecodeString(singleHeader(header, "X-Fal-Webhook-Signature"))
	if id == "" || user == "" || err != nil || len(signature) != ed25519.SignatureSize {
		return refuseWebhook("a header is missing or malformed")
	}

	// All customers share the keys, and none the account: another customer can have fal sign for this address.
	if v.o.UserID == "" || subtle.ConstantTimeCompare([]byte(user), []byte(v.o.UserID)) != 1 {
		return refuseWebhook("it is for another account")
	}

	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || v.o.Now().Sub(time.Unix(seconds, 0)).Abs() > maxSkew {
		return refuseWebhook("it is too old or too new")
	}

	sum := sha256.Sum256(body)
	text := []byte(strings.Join([]string{id, user, stamp, hex.EncodeToString(sum[:])}, "\n"))

	if !v.verifySignature(ctx, text, signature) {
		return refuseWebhook("no key of fal's fits the signature")
	}

	requestID, reduced, err := reduceCallback(body)
	if err != nil || requestID != id {
		return refuseWebhook("header and body name different requests")
	}

	return providers.Callback{RequestID: id, Body: reduced}, nil
}

func refuseWebhook(why string) (providers.Callback, error) {
	return providers.Callback{}, ErrSignature.WithCause(errors.New(why))
}

// singleHeader returns a header that is there exactly once.
func singleHeader(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}

	return ""
}

// verifySignature tries every key. When none fits they are fetched anew, in case fal has changed them,
// but not more than once a minute, however many forgeries come in.
func (v *Verifier) verifySignature(ctx context.Context, text, signature []byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()

	now := v.o.Now()
	if now.Sub(v.fetched) >= maxKeyAge {
		v.keys = nil
	}

	fits := func() bool {
		for _, k := range v.keys {
			if ed25519.Verify(k, text, signature) {
				return true
			}
		}

		return false
	}

	if fits() {
		return true
	}

	wait := refetch
	if len(v.keys) == 0 {
		wait = refetchNone
	}

	if !v.tried.IsZero() && now.Sub(v.tried) < wait {
		return false
	}

	v.tried = now

	// Every caller needs the keys: one that leaves does not take them along.
	keys, err := v.fetchKeys(context.WithoutCancel(ctx))
	if err != nil || len(keys) == 0 {
		return false
	}

	v.keys, v.fetched = keys, now

	return fits()
}

// fetchKeys gets the published keys; those of another kind are left out.
func (v *Verifier) fetchKeys(ctx context.Context) ([]ed25519.PublicKey, error) {
	re, err := v.keysHost.Do(ctx, outbound.Call{Operation: "keys", Method: http.MethodGet, URL: v.o.JWKSURL, MaxReply: jwksLimit})
	if err != nil {
		return nil, err
	}

	var set struct {
		Keys []struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			X     string `json:"x"`
		} `json:"keys"`
	}
	if err := re.Decode(&set); err != nil || re.Status != http.StatusOK {
		return nil, outbound.ErrMalformedReply
	}

	var keys []ed25519.PublicKey

	for _, k := range set.Keys {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(k.X, "="))
		if err == nil && len(raw) == ed25519.PublicKeySize && k.Type == "OKP" && k.Curve == "Ed25519" {
			keys = append(keys, raw)
		}
	}

	return keys, nil
}
