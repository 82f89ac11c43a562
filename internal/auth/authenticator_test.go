package auth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/redact"
)

var errDown = errors.New("the database is down")

// judge knows two credentials: the good one, and one at which its database fails.
type judge struct {
	good   string
	method auth.Method
}

func (j judge) Verify(_ context.Context, s redact.Secret) (*auth.Principal, error) {
	switch s.Reveal() {
	case j.good:
		return &auth.Principal{UserID: uuid.New(), Method: j.method}, nil
	case "down":
		return nil, errDown
	default:
		return nil, auth.ErrUnauthenticated
	}
}

func (j judge) Authenticate(ctx context.Context, s redact.Secret) (*auth.Principal, error) {
	return j.Verify(ctx, s)
}

func TestAuthenticator(t *testing.T) {
	t.Parallel()

	a := auth.NewAuthenticator(judge{"signed", auth.MethodBearer}, judge{"sk_good", auth.MethodAPIKey}, "__Host-imagerun.session_token")

	const cookie = "__Host-imagerun.session_token=signed"

	for name, tc := range map[string]struct {
		header http.Header
		want   auth.Method
		err    error
	}{
		"Nothing":            {http.Header{}, "", auth.ErrUnauthenticated},
		"Cookie":             {http.Header{"Cookie": {"a=b; " + cookie}}, auth.MethodCookie, nil},
		"CookieBad":          {http.Header{"Cookie": {cookie + "x"}}, "", auth.ErrUnauthenticated},
		"CookieOtherName":    {http.Header{"Cookie": {"imagerun.session_token=signed"}}, "", auth.ErrUnauthenticated},
		"CookieTwice":        {http.Header{"Cookie": {cookie + "; " + cookie}}, "", auth.ErrUnauthenticated},
		"CookieDown":         {http.Header{"Cookie": {"__Host-imagerun.session_token=down"}}, "", errDown},
		"CookieIsNoKey":      {http.Header{"Cookie": {"__Host-imagerun.session_token=sk_good"}}, "", auth.ErrUnauthenticated},
		"Bearer":             {http.Header{"Authorization": {"Bearer signed"}}, auth.MethodBearer, nil},
		"BearerLowerCase":    {http.Header{"Authorization": {"bearer  signed"}}, auth.MethodBearer, nil},
		"BearerEmpty":        {http.Header{"Authorization": {"Bearer "}, "Cookie": {cookie}}, "", auth.ErrUnauthenticated},
		"BearerDown":         {http.Header{"Authorization": {"Bearer down"}}, "", errDown},
		"HeaderEmpty":        {http.Header{"Authorization": {""}, "Cookie": {cookie}}, "", auth.ErrUnauthenticated},
		"HeaderTwice":        {http.Header{"Authorization": {"Bearer signed", "Bearer signed"}}, "", auth.ErrUnauthenticated},
		"Basic":              {http.Header{"Authorization": {"Basic signed"}}, "", auth.ErrUnauthenticated},
		"Key":                {http.Header{"Authorization": {"Bearer sk_good"}}, auth.MethodAPIKey, nil},
		"KeyBad":             {http.Header{"Authorization": {"Bearer sk_bad"}}, "", auth.ErrUnauthenticated},
		"KeyBesideCookie":    {http.Header{"Authorization": {"Bearer sk_good"}, "Cookie": {cookie}}, auth.MethodAPIKey, nil},
		"BadKeyBesideCookie": {http.Header{"Authorization": {"Bearer sk_bad"}, "Cookie": {cookie}}, "", auth.ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p, err := a.Authenticate(t.Context(), &http.Request{Header: tc.header})
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				require.Nil(t, p)

				return
			}

			require.NoError(t, err)
			require.Equal(t, tc.want, p.Method)
		})
	}
}

func TestPrincipal_Require(t *testing.T) {
	t.Parallel()

	key := &auth.Principal{Method: auth.MethodAPIKey, Scopes: []auth.Scope{auth.ScopeGenerationsRead}}
	require.NoError(t, key.Require(auth.ScopeGenerationsRead))
	require.ErrorIs(t, key.Require(auth.ScopeGenerationsWrite), auth.ErrScope)
	require.ErrorIs(t, key.Require(auth.ScopeAPIKeys), auth.ErrScope)
	require.NoError(t, (&auth.Principal{Method: auth.MethodCookie}).Require(auth.ScopeAPIKeys))
}
