// Package auth says who is calling: a [Principal], from a session or an API key.
package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
)

// Method is how a caller proved who they are.
type Method string

// The methods.
const (
	MethodCookie Method = "cookie"  // Better Auth's signed session cookie: needs cross-origin protection
	MethodBearer Method = "bearer"  // the same signed session token in the Authorization header
	MethodAPIKey Method = "api_key" // one of our sk_… keys
)

// Scope is a right that an API key can carry. Sessions carry all of them.
type Scope string

// The scopes.
const (
	ScopeGenerationsRead  Scope = "generations:read"
	ScopeGenerationsWrite Scope = "generations:write"
	ScopeCreditsRead      Scope = "credits:read"
	ScopePaymentsWrite    Scope = "payments:write"
	ScopeAPIKeys          Scope = "api_keys" // never given to an API key: keys do not make keys
)

// KeyScopes lists the rights that an API key may be given.
func KeyScopes() []Scope {
	return []Scope{ScopeGenerationsRead, ScopeGenerationsWrite, ScopeCreditsRead, ScopePaymentsWrite}
}

// Principal is an authenticated caller.
type Principal struct {
	UserID    uuid.UUID
	Method    Method
	KeyID     uuid.UUID // the API key used; zero for sessions
	Scopes    []Scope   // of the API key; nil for sessions, which may do everything
	SessionAt time.Time // when the session was created; zero for API keys
}

// ErrUnauthenticated answers every request whose credentials are absent, malformed, expired,
// revoked or banned: one code for all, so a prober learns nothing.
var ErrUnauthenticated = fault.New(fault.Unauthenticated, "unauthenticated", "Sign in, or send a valid API key as a bearer token.")

// ErrScope answers a caller whose API key lacks the scope the route needs, which its cause and its sentence name.
var ErrScope = fault.New(fault.Forbidden, "insufficient_scope", "This API key may not do that.")

// MissingScopeError names the scope that an API key lacks.
type MissingScopeError struct{ Scope Scope }

// Error implements error.
func (e *MissingScopeError) Error() string { return "lacks the scope " + string(e.Scope) }

// Require returns [ErrScope] when p may not use scope.
func (p *Principal) Require(scope Scope) error {
	if p.Method != MethodAPIKey {
		return nil
	}

	if slices.Contains(p.Scopes, scope) {
		return nil
	}

	return ErrScope.WithMore("Use a key with the scope " + string(scope) + ".").WithCause(&MissingScopeError{scope})
}

type contextKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the caller that the HTTP edge put into ctx, or [ErrUnauthenticated].
func From(ctx context.Context) (*Principal, error) {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	if p == nil {
		return nil, ErrUnauthenticated
	}

	return p, nil
}
