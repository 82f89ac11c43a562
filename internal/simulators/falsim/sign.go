package falsim

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"imagerun/internal/simulators/kit/deliveries"
)

const (
	headerRequest   = "X-Fal-Webhook-Request-Id"
	headerUser      = "X-Fal-Webhook-User-Id"
	headerTimestamp = "X-Fal-Webhook-Timestamp"
	headerSignature = "X-Fal-Webhook-Signature"
)

// sign returns fal's four headers for a webhook. The timestamp is that of this try. The caller holds mu.
func (s *Sim) sign(d *deliveries.Delivery) (http.Header, []byte) {
	id, user, at := d.Event, s.opts.UserID, s.Clock.Now().Add(s.knobs.skew())

	switch d.Fault {
	case faultWrongUser:
		user = "user_somebody_else"
	case faultStale:
		at = at.Add(-time.Hour)
	case faultFuture:
		at = at.Add(time.Hour)
	case faultOtherHeader, faultUnknown:
		id = otherID
	case faultRotated:
		if d.Tries == 1 {
			s.keys = []ed25519.PrivateKey{s.newKey()}
		}
	}

	key := s.keys[len(s.keys)-1]
	if d.Fault == faultForged {
		key = s.foreign
	}

	header := Sign(key, id, user, at, d.Body)
	if d.Fault == faultChanged {
		return header, append(slices.Clip(d.Body), ' ')
	}

	return header, d.Body
}

// Sign returns fal's webhook headers for a body.
func Sign(key ed25519.PrivateKey, requestID, userID string, at time.Time, body []byte) http.Header {
	sum := sha256.Sum256(body)
	stamp := strconv.FormatInt(at.Unix(), 10)
	text := strings.Join([]string{requestID, userID, stamp, hex.EncodeToString(sum[:])}, "\n")

	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(headerRequest, requestID)
	h.Set(headerUser, userID)
	h.Set(headerTimestamp, stamp)
	h.Set(headerSignature, hex.EncodeToString(ed25519.Sign(key, []byte(text))))

	return h
}

func (s *Sim) serveJWKS(w http.ResponseWriter, _ *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	keys := []map[string]string{}
	published := s.keys

	switch s.knobs.JWKS {
	case "more":
		keys = append(keys,
			map[string]string{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa", "use": "sig"},
			map[string]string{"kty": "OKP", "crv": "X25519", "x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))},
			map[string]string{"kty": "OKP", "crv": "Ed25519", "x": "short"})
	case "late":
		published = published[:len(published)-1]
	case "none":
		published = nil
	}

	for i, k := range published {
		public, _ := k.Public().(ed25519.PublicKey)
		key := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}

		if s.knobs.JWKS == "more" {
			key["kid"], key["alg"], key["use"] = "key-"+strconv.Itoa(i), "EdDSA", "sig"
		}

		keys = append(keys, key)
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

func (s *Sim) newKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], s.Rand().Uint64())
	}

	return ed25519.NewKeyFromSeed(seed)
}
