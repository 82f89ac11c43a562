package proxy

import (
	"net/http"
	"strings"
	"time"
)

// deviceLife is how long a device stays known after a sign-in. Browsers keep no cookie for longer than 400 days.
const deviceLife = 365 * 24 * time.Hour

// newDevice returns the cookie of a device from which an owner signed in.
func (p *Proxy) newDevice(account string) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is where the public origin is https
		Name: p.deviceCookie(account), Value: p.devices.Sign(account, p.o.Now()),
		Path: Prefix, MaxAge: int(deviceLife.Seconds()), HttpOnly: true, Secure: p.isHTTPS(), SameSite: http.SameSiteLaxMode,
	}
}

// knownDevice returns the subject that r counts for when it comes from a device of the account, or "".
func (p *Proxy) knownDevice(r *http.Request, account string) string {
	return p.devices.Known(r, p.deviceCookie(account), account, p.o.Now())
}

// deviceCookie is a name of its own for each account, because several may sign in from one browser.
func (p *Proxy) deviceCookie(account string) string {
	name := "imagerun.device_" + account[:8]
	if p.isHTTPS() {
		return "__Secure-" + name
	}

	return name
}

func (p *Proxy) isHTTPS() bool { return strings.HasPrefix(p.o.Origin, "https:") }
