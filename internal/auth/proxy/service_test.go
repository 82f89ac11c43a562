package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/betterauth"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
)

// A browser's life through the proxy, with the real service.
func TestProxy_WithTheService(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	h := through(t, server.URL, proxy.Options{})
	app := devtest.Pool(t, appURL)
	judge := auth.NewAuthenticator(betterauth.New(app, betterauth.Options{Secret: server.Secret, Now: clock.System}), nil, server.CookieName)

	ask := func(path, body, cookie, origin string) (int, http.Header, string) {
		r := request(http.MethodPost, "/api/auth"+path, body)
		r.Header.Set("Content-Type", "application/json")

		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: server.CookieName, Value: cookie})
		}

		if origin != "" {
			r.Header.Set("Origin", origin)
		}

		res := serve(h, r)
		content, err := io.ReadAll(res.Body)
		require.NoError(t, err)

		return res.StatusCode, res.Header, string(content)
	}

	// Node's fetch says how it fetches, and has no origin.
	program := request(http.MethodPost, "/api/auth/sign-up/email", `{"name":"Test","email":"program@example.com","password":"long enough"}`)
	program.Header.Set("Content-Type", "application/json")
	program.Header.Set("Sec-Fetch-Mode", "cors")
	require.Equal(t, http.StatusOK, serve(h, program).StatusCode)

	u := server.SignUp(t)

	status, header, body := ask("/sign-in/email", fmt.Sprintf(`{"email":%q,"password":%q}`, u.Email, u.Password), "", server.Origin)
	require.Equal(t, http.StatusOK, status, body)

	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)

	r := request(http.MethodGet, "/v1/account", "")
	r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})

	p, err := judge.Authenticate(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, u.ID, p.UserID)
	require.Equal(t, auth.MethodCookie, p.Method)

	// Another site's page cannot sign the browser out.
	status, _, body = ask("/sign-out", `{}`, cookie.Value, "https://evil.example")
	require.Equal(t, http.StatusForbidden, status, body)
	_, err = judge.Authenticate(t.Context(), r)
	require.NoError(t, err)

	status, _, body = ask("/sign-out", `{}`, cookie.Value, server.Origin)
	require.Equal(t, http.StatusOK, status, body)
	_, err = judge.Authenticate(t.Context(), r)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
}

// Whatever a request brings, the service and the api find the same session, or none.
func TestProxy_SessionIsTheApisToo(t *testing.T) {
	t.Parallel()

	for _, origin := range []string{"http://localhost:8080", "https://images.example.com"} {
		appURL, authURL, _ := devtest.PostgresURLs(t)
		server := authtest.Start(t, appURL, authURL, authtest.Options{Origin: origin})
		h := through(t, server.URL, proxy.Options{})
		judge := auth.NewAuthenticator(betterauth.New(devtest.Pool(t, appURL), betterauth.Options{Secret: server.Secret, Now: clock.System}), nil, server.CookieName)

		u, other := server.SignUp(t), server.SignUp(t)
		mine, theirs := server.CookieName+"="+u.Cookie, server.CookieName+"="+other.Cookie

		for name, tc := range map[string]struct {
			header http.Header
			known  bool
		}{
			"Nothing":           {http.Header{}, false},
			"Cookie":            {http.Header{"Cookie": {"a=b; " + mine}}, true},
			"CookieTwice":       {http.Header{"Cookie": {mine + "; " + mine}}, false},
			"CookieOfAnother":   {http.Header{"Cookie": {mine + "; " + theirs}}, false},
			"CookieBadFirst":    {http.Header{"Cookie": {server.CookieName + "=bad; " + mine}}, false},
			"CookieBadLast":     {http.Header{"Cookie": {mine + "; " + server.CookieName + "=bad"}}, false},
			"CookieInTwoLines":  {http.Header{"Cookie": {mine, theirs}}, false},
			"CookieQuoted":      {http.Header{"Cookie": {server.CookieName + `="` + u.Cookie + `"`}}, true},
			"CookieOtherName":   {http.Header{"Cookie": {"__Secure-" + mine}}, false},
			"Bearer":            {http.Header{"Authorization": {"Bearer " + u.Bearer}}, true},
			"BearerLowerCase":   {http.Header{"Authorization": {"bearer  " + u.Bearer}}, true},
			"BearerTwice":       {http.Header{"Authorization": {"Bearer " + u.Bearer, "Bearer " + u.Bearer}}, false},
			"BearerAndCookie":   {http.Header{"Authorization": {"Bearer " + u.Bearer}, "Cookie": {theirs}}, true},
			"BadAndCookie":      {http.Header{"Authorization": {"Bearer x"}, "Cookie": {mine}}, false},
			"BasicAndCookie":    {http.Header{"Authorization": {"Basic x"}, "Cookie": {mine}}, false},
			"NoTokenAndCookie":  {http.Header{"Authorization": {"Bearer "}, "Cookie": {mine}}, false},
			"UnsignedAndCookie": {http.Header{"Authorization": {"Bearer " + u.Bearer[:32]}, "Cookie": {mine}}, false},
		} {
			r := request(http.MethodGet, "/api/auth/get-session", "")
			maps.Copy(r.Header, tc.header)

			var found *struct{ User struct{ ID uuid.UUID } }

			require.NoError(t, json.NewDecoder(serve(h, r).Body).Decode(&found), name)

			p, err := judge.Authenticate(t.Context(), r)
			if !tc.known {
				require.ErrorIs(t, err, auth.ErrUnauthenticated, name)
				require.Nil(t, found, "%s: the service finds a user", name)

				continue
			}

			require.NoError(t, err, name)
			require.NotNil(t, found, "%s: the service finds no user", name)
			require.Equal(t, []uuid.UUID{u.ID, u.ID}, []uuid.UUID{p.UserID, found.User.ID}, name)
		}
	}
}

func TestProxy_RateLimitsAreByClientAddress(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	h := through(t, server.URL, proxy.Options{})

	// Better Auth allows three sign-ins in ten seconds.
	attempt := func(address, spoofed string) int {
		r := request(http.MethodPost, "/api/auth/sign-in/email", `{"email":"nobody@example.com","password":"wrong password"}`)
		r.RemoteAddr = address + ":4711"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(proxy.ClientAddressHeader, spoofed)
		r.Header.Set("X-Forwarded-For", spoofed)

		return serve(h, r).StatusCode
	}

	for i := range 3 {
		require.Equal(t, http.StatusUnauthorized, attempt("203.0.113.9", fmt.Sprintf("198.51.100.%d", i)))
	}

	require.Equal(t, http.StatusTooManyRequests, attempt("203.0.113.9", "198.51.100.77"))
	require.Equal(t, http.StatusUnauthorized, attempt("203.0.113.10", "203.0.113.9"))

	var keys []string

	require.NoError(t, devtest.Pool(t, ownerURL).QueryRow(t.Context(),
		`select array_agg("key" order by "key") from auth."rateLimit"`).Scan(&keys))
	require.Equal(t, []string{"203.0.113.10|/sign-in/email", "203.0.113.9|/sign-in/email"}, keys)

	// And without any address the service still limits: by path alone.
	for range 3 {
		res, _ := server.Call(t, "/sign-in/email", json.RawMessage(`{"email":"nobody@example.com","password":"wrong password"}`), anonymous)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	}

	res, _ := server.Call(t, "/sign-in/email", json.RawMessage(`{"email":"nobody@example.com","password":"wrong password"}`), anonymous)
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
}

func anonymous(r *http.Request) { r.Header.Del(proxy.ClientAddressHeader) }
