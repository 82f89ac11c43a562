package proxy

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// deviceLife is how long a device stays known after a sign-in. Browsers keep no cookie for longer than 400 days.
const deviceLife = 365 * 24 * time.Hour

// A device's cookie is an id, the time of the sign-in in Unix seconds, and the digest of both with the account's.
const (
	deviceID   = 16
	deviceTime = 8
	deviceSize = deviceID + deviceTime + sha256.Size
)

// deriveKey returns the key of this package's digests, of which nothing leads to the secret's other uses.
func deriveKey(secret string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "imagerun auth proxy", sha256.Size)
	if err != nil {
		panic(err) // the length is too large
	}

	return key
}

// digest stands for something that may not be stored in clear. Purposes keep digests of the same text apart.
func (p *Proxy) digest(purpose, text string) string {
	return hex.EncodeToString(p.sum(purpose, text)[:16])
}

func (p *Proxy) sum(purpose, text string) []byte {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(purpose + "\x00" + text))

	return mac.Sum(nil)
}

// newDevice returns the cookie of a device from which somebody signed in. It opens nothing: wrong passwords from it
// count by themselves, so that no one else can make its owner wait.
func (p *Proxy) newDevice(account string) *http.Cookie {
	value := make([]byte, deviceID, deviceSize)
	_, _ = rand.Read(value) // never fails

	value = binary.BigEndian.AppendUint64(value, uint64(p.o.Now().Unix())) //nolint:gosec // not before 1970
	value = append(value, p.sum("device", account+string(value))...)

	return &http.Cookie{ //nolint:gosec // Secure is where the public origin is https
		Name: p.deviceCookie(account), Value: base64.RawURLEncoding.EncodeToString(value),
		Path: Prefix, MaxAge: int(deviceLife.Seconds()), HttpOnly: true, Secure: p.secure(), SameSite: http.SameSiteLaxMode,
	}
}

// knownDevice returns for whom r counts when it comes from a device of the account, or "".
func (p *Proxy) knownDevice(r *http.Request, account string) string {
	cookies := r.CookiesNamed(p.deviceCookie(account))
	if len(cookies) != 1 {
		return ""
	}

	value, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil || len(value) != deviceSize {
		return ""
	}

	signed, sum := value[:deviceID+deviceTime], value[deviceID+deviceTime:]
	if !hmac.Equal(sum, p.sum("device", account+string(signed))) {
		return ""
	}

	since := time.Unix(int64(binary.BigEndian.Uint64(signed[deviceID:])), 0) //nolint:gosec // we wrote it
	if p.o.Now().Sub(since) >= deviceLife {
		return ""
	}

	return hex.EncodeToString(signed[:deviceID])
}

// deviceCookie is a name of its own for each account, because several may sign in from one browser.
func (p *Proxy) deviceCookie(account string) string {
	name := "imagerun.device_" + account[:8]
	if p.secure() {
		return "__Secure-" + name
	}

	return name
}

func (p *Proxy) secure() bool { return strings.HasPrefix(p.o.Origin, "https:") }
