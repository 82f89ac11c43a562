package falsim

import (
	"crypto/ed25519"
	"crypto/sha256"
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

// signDelivery returns fal's four headers for a webhook. The timestamp is that of this try. The caller holds mu.
func (s *Sim) signDelivery(d *deliveries.Delivery) (http.Header, []byte) {
	id, user, at := d.Event, s.opts.UserID, s.Clock.Now().Add(s.knobs.clockSkew())

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
			s.keys.rotateKey(false)
		}
	}

	key := s.keys.signingKey()
	if d.Fault == faultForged {
		key = s.keys.foreign
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
