package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"imagerun/internal/auth/device"
	"imagerun/internal/ratelimit"
)

const (
	deviceCookie = "imagerun_operator"
	deviceLife   = 30 * 24 * time.Hour
)

var (
	// guesses are how often the password may be wrong: five times, then once a minute, in the end once in 72 minutes.
	guesses = []ratelimit.Limit{
		{Policy: "operator", Quota: 5, Window: 5 * time.Minute},
		{Policy: "operator-hour", Quota: 10, Window: time.Hour},
		{Policy: "operator-day", Quota: 20, Window: 24 * time.Hour},
	}
	// knownGuesses are those of a known device. A login counts until it was right, and a dashboard asks for many things at once.
	knownGuesses = []ratelimit.Limit{
		{Policy: "operator", Quota: 50, Window: 5 * time.Minute},
		{Policy: "operator-day", Quota: 100, Window: 24 * time.Hour},
	}
)

// login lets operators in. Wrong passwords count together, whatever address they come from and whichever process was
// asked. While they pause the right one is refused too, but not from where it was right before: a browser is known by a
// cookie, and a client without cookies, as Prometheus is, by its address.
type login struct {
	o              Options
	user, password [sha256.Size]byte
	devices        *device.Signer // of the password, so a new one makes every device a stranger

	mu    sync.Mutex               // guards known
	known map[netip.Addr]time.Time // when the password was last right from there
}

func newLogin(o Options) *login {
	return &login{
		o: o, user: sha256.Sum256([]byte(o.User)), password: sha256.Sum256([]byte(o.Password.Reveal())),
		devices: device.NewSigner(o.Password.Reveal(), "imagerun operators' devices", deviceLife), known: map[netip.Addr]time.Time{},
	}
}

// requireOperator is next for operators alone.
func (l *login) requireOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, sent := r.BasicAuth()
		if !sent {
			l.answerUnauthorized(w)

			return
		}

		subject, limits := l.countFor(r)

		// It counts before it is judged: many at once are no way around it.
		if l.o.Limiter != nil {
			if d := l.o.Limiter.Allow(r.Context(), subject, limits...); !d.Allowed {
				l.answerPaused(w, r, d.RetryAfter())

				return
			}
		}

		if !l.isRight(user, password) {
			l.o.Log.WarnContext(r.Context(), "operator login refused")
			l.answerUnauthorized(w)

			return
		}

		if l.o.Limiter != nil {
			l.o.Limiter.Return(context.WithoutCancel(r.Context()), subject, limits...)
		}

		l.rememberDevice(w, r)
		next.ServeHTTP(w, r)
	})
}

func (l *login) answerPaused(w http.ResponseWriter, r *http.Request, d time.Duration) {
	l.o.Log.WarnContext(r.Context(), "operator logins paused")
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	http.Error(w, "Too many wrong logins. Wait for as many seconds as Retry-After says.", http.StatusTooManyRequests)
}

func (l *login) answerUnauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="imagerun operators", charset="UTF-8"`)
	http.Error(w, "This is for operators: log in with ops.user and ops.password.", http.StatusUnauthorized)
}

// isRight compares hashes of equal length, so that the time taken tells neither the values nor their lengths, and
// both whatever the first one says.
func (l *login) isRight(user, password string) bool {
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	same := subtle.ConstantTimeCompare(l.user[:], u[:]) & subtle.ConstantTimeCompare(l.password[:], p[:])

	return same == 1 && l.o.User != "" && !l.o.Password.IsZero()
}

// countFor returns the subject that a login counts for: its device, where that is known, and else all operators.
func (l *login) countFor(r *http.Request) (subject string, limits []ratelimit.Limit) {
	if id := l.knownCookie(r); id != "" {
		return id, knownGuesses
	}

	if addr := readPeer(r); l.isKnown(addr) {
		return l.devices.Digest("address", addr.String()), knownGuesses
	}

	return "operators", guesses
}

func (l *login) isKnown(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	at, ok := l.known[addr]

	return ok && time.Since(at) < deviceLife
}

// rememberDevice makes a device known: by its address, of which there are as many as operators and scrapers, and a
// browser by a cookie.
func (l *login) rememberDevice(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.known[readPeer(r)] = time.Now()
	l.mu.Unlock()

	if l.knownCookie(r) != "" {
		return
	}

	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is where the listener has TLS
		Name: deviceCookie, Value: l.devices.Sign("operators", time.Now()), Path: "/", MaxAge: int(deviceLife.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// knownCookie returns the id of the device that a cookie of ours is of, or "".
func (l *login) knownCookie(r *http.Request) string {
	return l.devices.Known(r, deviceCookie, "operators", time.Now())
}

// readPeer is the address of the connection: the listener is private, so no proxy stands before it.
func readPeer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}

	return addr.Addr().Unmap()
}
