package creem

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"imagerun/internal/fault"
	"imagerun/internal/inbox"
	"imagerun/internal/redact"
)

var (
	// ErrSignature is every reason to take a webhook for a forgery.
	ErrSignature = fault.New(fault.Unauthenticated, "webhook_signature_invalid", "The webhook is not signed as it has to be.")
	// ErrEnvironment says that a webhook tells of the other environment, where no money is real.
	ErrEnvironment = fault.New(fault.Unauthenticated, "webhook_environment_mismatch",
		"The webhook tells of another environment of the vendor's than the one that is configured.")
)

const (
	// SignatureHeader has the HMAC-SHA256 of the raw body in hex; the key is all of the secret, as it is written.
	// https://docs.creem.io/code/webhooks
	SignatureHeader = "Creem-Signature"

	minSecret  = 24 // bytes: a shorter one may be guessed
	maxSecrets = 2  // one replaces the other
)

// Verifier tells Creem's webhooks from forgeries. It implements [inbox.Verifier], and is safe for concurrent use.
//
// A signature has no time in it: an old webhook can be sent again, which the inbox knows by the event's id.
type Verifier struct {
	secrets []redact.Secret
	env     Environment
}

var _ inbox.Verifier = (*Verifier)(nil)

// NewVerifier makes a verifier for the secrets of our endpoint, two at most. Without one nothing is believed.
func NewVerifier(secrets []redact.Secret, env Environment) (*Verifier, error) {
	if len(secrets) > maxSecrets {
		return nil, errors.New("webhook secrets of creem are two at most")
	}

	for _, s := range secrets {
		if len(s.Reveal()) < minSecret {
			return nil, errors.New("a webhook secret of creem is shorter than 24 bytes")
		}
	}

	if env != Test && env != Live {
		return nil, errors.New("environment of creem is test or live")
	}

	return &Verifier{secrets: slices.Clone(secrets), env: env}, nil
}

// envelope is what comes by a webhook.
type envelope struct {
	ID     string          `json:"id"`
	Type   string          `json:"eventType"` //nolint:tagliatelle // Creem's spelling
	Object json.RawMessage `json:"object"`
}

// Verify implements [inbox.Verifier].
func (v *Verifier) Verify(_ context.Context, header http.Header, body []byte) (inbox.Event, error) {
	if !v.isSigned(header, body) {
		return inbox.Event{}, ErrSignature
	}

	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return inbox.Event{}, inbox.ErrInvalid
	}

	var object struct {
		Mode string `json:"mode"`
	}

	_ = json.Unmarshal(e.Object, &object) // what cannot be read names no environment

	if !v.isOurs(object.Mode) {
		return inbox.Event{}, ErrEnvironment
	}

	return inbox.Event{ID: e.ID, Type: e.Type}, nil
}

// isSigned tries every secret, in a time that does not tell which one fits.
func (v *Verifier) isSigned(header http.Header, body []byte) bool {
	values := header.Values(SignatureHeader)
	if len(values) != 1 {
		return false
	}

	signature, err := hex.DecodeString(values[0])
	if err != nil {
		return false
	}

	fits := false

	for _, secret := range v.secrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		_, _ = mac.Write(body)
		fits = hmac.Equal(signature, mac.Sum(nil)) || fits
	}

	return fits
}

// isOurs reports whether an object's mode may be of our environment. One without a mode, as of credits, says nothing; in Test new words
// are welcome, in Live they may stand for money that is not.
func (v *Verifier) isOurs(mode string) bool {
	switch mode {
	case "":
		return true
	case "prod", "production", "live":
		return v.env == Live
	default:
		return v.env == Test
	}
}
