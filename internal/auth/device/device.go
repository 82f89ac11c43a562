// Package device knows a device again from which an owner logged in with the right password.
//
// What it is known by opens nothing: wrong passwords from it count by themselves, so that no other device can make its
// owner wait. It is a cookie's value that cannot be made without the key, of one subject, and good for a time.
package device

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"time"
)

// A value is an id, the time of the login in Unix seconds, and the digest of both with the subject.
const (
	idSize   = 16
	timeSize = 8
	size     = idSize + timeSize + sha256.Size
)

// Signer makes and judges what devices are known by. It is safe for concurrent use.
type Signer struct {
	key  []byte
	life time.Duration
}

// NewSigner returns a signer whose values are good for life. Info names its use, so that nothing leads to the secret's
// other uses (RFC 5869); another secret makes every device a stranger.
func NewSigner(secret, info string, life time.Duration) *Signer {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, info, sha256.Size)
	if err != nil {
		panic(err) // the length is too large
	}

	return &Signer{key: key, life: life}
}

// Digest stands for something that may not be stored in clear. Purposes keep digests of the same text apart.
func (s *Signer) Digest(purpose, text string) string {
	return hex.EncodeToString(s.computeMAC(purpose, text)[:16])
}

// Sign returns the value of a cookie for a device from which a subject has just logged in.
func (s *Signer) Sign(subject string, now time.Time) string {
	value := make([]byte, idSize, size)
	_, _ = rand.Read(value) // never fails

	value = binary.BigEndian.AppendUint64(value, uint64(now.Unix())) //nolint:gosec // not before 1970
	value = append(value, s.computeMAC("device", subject+string(value))...)

	return base64.RawURLEncoding.EncodeToString(value)
}

// Known returns the id of the device that the cookie of r is of, or "": it has none, several, one of another subject,
// or one that is too old.
func (s *Signer) Known(r *http.Request, cookie, subject string, now time.Time) string {
	cookies := r.CookiesNamed(cookie)
	if len(cookies) != 1 {
		return ""
	}

	value, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil || len(value) != size {
		return ""
	}

	signed, sum := value[:idSize+timeSize], value[idSize+timeSize:]
	if !hmac.Equal(sum, s.computeMAC("device", subject+string(signed))) {
		return ""
	}

	since := time.Unix(int64(binary.BigEndian.Uint64(signed[idSize:])), 0) //nolint:gosec // we wrote it
	if now.Sub(since) >= s.life {
		return ""
	}

	return hex.EncodeToString(signed[:idSize])
}

func (s *Signer) computeMAC(purpose, text string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(purpose + "\x00" + text))

	return mac.Sum(nil)
}
