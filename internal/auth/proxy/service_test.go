package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

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
