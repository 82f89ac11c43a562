package auth

import (
	"context"
	"net/http"
	"strings"

	"imagerun/internal/redact"
)

// KeyPrefix starts every API key, and nothing else that is sent as a bearer token.
const KeyPrefix = "sk_"

// Sessions judges signed session tokens.
type Sessions interface {
	// Verify returns whose session it is, or [ErrUnauthenticated]. The principal's method is
	// [MethodBearer]. Any other error means that it could not be judged.
	Verify(ctx context.Context, signed redact.Secret) (*Principal, error)
}

// Keys judges API keys.
type Keys interface {
	// Authenticate returns whose key it is, or [ErrUnauthenticated]. Any other error means that it
	// could not be judged.
	Authenticate(ctx context.Context, plaintext redact.Secret) (*Principal, error)
}

// Authenticator says who sent a request. It is safe for concurrent use.
type Authenticator struct {
	sessions   Sessions
	keys       Keys
	cookieName string
}

// NewAuthenticator returns one that takes sessions from the cookie of exactly that name: a
// second name, such as the one without __Host-, would let a cookie in that a neighbouring
// host or an unencrypted page has set.
func NewAuthenticator(sessions Sessions, keys Keys, cookieName string) *Authenticator {
	return &Authenticator{sessions: sessions, keys: keys, cookieName: cookieName}
}

// Authenticate returns the caller of r, or [ErrUnauthenticated]. An Authorization header decides
// alone: when it is wrong, a good cookie beside it does not help. Of several headers or several
// cookies of the name none is believed.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request) (*Principal, error) {
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		scheme, token, _ := strings.Cut(headers[0], " ")
		token = strings.TrimLeft(token, " ") // RFC 9110 §11.4: one or more spaces

		switch {
		case len(headers) > 1, token == "", !strings.EqualFold(scheme, "Bearer"):
			return nil, ErrUnauthenticated
		case strings.HasPrefix(token, KeyPrefix):
			return a.keys.Authenticate(ctx, redact.NewSecret(token))
		default:
			return a.sessions.Verify(ctx, redact.NewSecret(token))
		}
	}

	cookies := r.CookiesNamed(a.cookieName)
	if len(cookies) != 1 {
		return nil, ErrUnauthenticated
	}

	p, err := a.sessions.Verify(ctx, redact.NewSecret(cookies[0].Value))
	if err != nil {
		return nil, err
	}

	p.Method = MethodCookie

	return p, nil
}
