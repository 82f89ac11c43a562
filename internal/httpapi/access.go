package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
)

// access says who may use a route.
type access struct {
	public      bool       // the route checks its caller, and keeps to the time, itself
	scope       auth.Scope // what an API key needs
	sessionOnly bool       // no API key may, whatever its scopes
	submits     bool       // it submits a generation, which has a limit of its own
	asksVendor  bool       // it asks the payment provider, which takes longer than our own work
	maxBody     int64      // bytes of its body; zero: as many as most routes take
}

// guardRoute puts the checks in front of a route: who, from where, how often, whether they may, and the
// contract.
func (s *server) guardRoute(rt route) http.Handler {
	op := s.contract.findOperation(rt.pattern, cmp.Or(rt.access.maxBody, maxBody))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.pattern = rt.pattern[strings.Index(rt.pattern, "/"):]

		if rt.access.public {
			rt.handler(w, r)

			return
		}

		began := time.Now()

		p, err := s.admitCaller(w, r, rt.access)
		if err != nil {
			s.fail(w, r, err)

			return
		}

		left := answerTime - time.Since(began)
		if rt.access.asksVendor {
			left = vendorTime
		}

		x.authorize = func(ctx context.Context) error { return s.reauthorizeCaller(r.WithContext(ctx), p, rt.access) }

		if op != nil {
			if err := op.checkRequest(r); err != nil {
				s.fail(w, r, err)

				return
			}
		}

		ctx, cancel := context.WithTimeout(auth.WithPrincipal(r.Context(), p), left)
		defer cancel()

		rt.handler(w, r.WithContext(ctx))
	})
}

// admitCaller says who is calling, and that they may, now.
func (s *server) admitCaller(w http.ResponseWriter, r *http.Request, a access) (*auth.Principal, error) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()

	r = r.WithContext(ctx)

	p, err := s.identifyCaller(r)
	if err != nil {
		return nil, err
	}

	exchangeOf(ctx).userID = p.UserID

	if err := s.limitRequest(w, r, p, a); err != nil {
		return nil, err
	}

	return p, a.checkPermission(p)
}

// identifyCaller says who is calling, or that it cannot be their wish.
func (s *server) identifyCaller(r *http.Request) (*auth.Principal, error) {
	p, err := s.Authenticator.Authenticate(r.Context(), r)
	if err != nil {
		return nil, err
	}

	// A browser sends the cookie for a page of any site; a bearer token has to be put in on purpose.
	if p.Method == auth.MethodCookie {
		if err := s.crossOrigin.Check(r); err != nil {
			return nil, errCrossOrigin.WithCause(err)
		}
	}

	return p, nil
}

// reauthorizeCaller says whether the caller of r, who was p, may still use its route: what lasts ends with the
// sign-out, the ban or the revocation.
func (s *server) reauthorizeCaller(r *http.Request, p *auth.Principal, a access) error {
	now, err := s.identifyCaller(r)
	if err != nil {
		return err
	}

	if now.UserID != p.UserID {
		return auth.ErrUnauthenticated
	}

	return a.checkPermission(now)
}

// stillAllowed answers why the caller of a request that lasts may not use it any more. When that cannot be found
// out, they may: an outage sends no caller away, and everything that lasts has its end.
func (x *exchange) stillAllowed(ctx context.Context) error {
	if x.authorize == nil {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()

	err := x.authorize(ctx)
	if err == nil {
		return nil
	}

	switch fault.Of(err).Kind {
	case fault.Unauthenticated, fault.Forbidden:
		return err
	default:
		return nil
	}
}

// checkPermission says whether they may.
func (a access) checkPermission(p *auth.Principal) error {
	if a.sessionOnly && p.Method == auth.MethodAPIKey {
		return errSessionOnly
	}

	return p.Require(a.scope)
}

// authService lets the auth service answer. Signing in sets cookies, so it too is only for our
// own pages and for programs; a program that sends a bearer token shows that it is one.
func (s *server) authService(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		if err := s.crossOrigin.Check(r); err != nil {
			s.fail(w, r, errCrossOrigin.WithCause(err))

			return
		}
	}

	s.AuthService.ServeHTTP(w, r)
}

// cleanPath is the form that the mux would redirect to.
func cleanPath(p string) string {
	if p == "" {
		return "/"
	}

	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}

	return c
}
