package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/proxy"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/fault"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// service stands where the auth service does, remembers what it is asked and answers as told.
type service struct {
	*httptest.Server

	asked  atomic.Int64
	last   atomic.Pointer[http.Request]
	body   atomic.Value // string
	answer http.HandlerFunc
}

// setup returns the service and a proxy before it.
func setup(t *testing.T, answer http.HandlerFunc, o proxy.Options) (*service, http.Handler) {
	t.Helper()

	s := &service{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		s.body.Store(string(content))
		s.last.Store(r)
		s.asked.Add(1)

		if s.answer != nil {
			s.answer(w, r)
		}
	}))
	t.Cleanup(s.Close)

	return s, through(t, s.URL, o)
}

func through(t *testing.T, upstream string, o proxy.Options) http.Handler {
	t.Helper()

	var err error

	o.Upstream, err = url.Parse(upstream)
	require.NoError(t, err)

	o.Log, o.Origin = slog.New(slog.DiscardHandler), "http://localhost:8080"
	// The status of a problem by its kind is httpapi's business; here the code says which one it was.
	o.Fail = func(w http.ResponseWriter, _ *http.Request, err error) {
		w.Header().Set("Problem", fault.Of(err).Code)
		w.Header().Set("Retry-After", fault.Of(err).RetryAfter.String())
		w.WriteHeader(http.StatusTeapot)
	}

	return proxy.New(o)
}

func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "203.0.113.9:4711"

	return r
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	return w.Result()
}

func TestProxy_Routes(t *testing.T) {
	t.Parallel()

	s, h := setup(t, nil, proxy.Options{})

	allowed := []string{
		"GET /ok", "GET /get-session", "GET /list-sessions", "POST /verify-email?token=a.b.c&callbackURL=%2F",
		"GET /reset-password/AbCdEfGhIjKlMnOpQrStUvWx?callbackURL=%2Freset",
		"POST /sign-up/email", "POST /sign-in/email", "POST /sign-out", "POST /send-verification-email",
		"POST /request-password-reset", "POST /reset-password", "POST /change-password", "POST /revoke-session",
	}
	for _, route := range allowed {
		method, path, _ := strings.Cut(route, " ")
		res := serve(h, request(method, "/api/auth"+path, ""))
		require.Equal(t, http.StatusOK, res.StatusCode, route)
		require.Equal(t, "/api/auth"+path, s.last.Load().URL.RequestURI())
	}

	asked := s.asked.Load()
	require.EqualValues(t, len(allowed), asked)

	for _, route := range []string{
		"GET ", "GET /", "GET /token", "GET /jwks", "GET /error", "GET /list-accounts", "GET /reset-password/", "GET /reset-password/a/b",
		"POST /delete-user", "GET /delete-user/callback?token=x", "POST /change-email", "POST /update-user", "POST /sign-in/social",
		"GET /admin/list-users", "POST /admin/set-role", "POST /admin/ban-user", "POST /admin/impersonate-user",
		"GET /sign-out", "POST /ok", "HEAD /ok", "PUT /sign-in/email", "OPTIONS /sign-in/email", "DELETE /revoke-session",
		"GET /ok/", "GET //ok", "GET /OK", "GET /./ok", "GET /x/../ok", "GET /ok/../admin/list-users",
		"GET /reset-password/../admin/list-users", "GET /reset-password/%2e%2e%2fadmin", "GET /reset-password/abcdefgh%2f..%2f..%2ftoken",
		"GET /%6fk", "POST /sign%2din/email", "POST /sign-in%2femail", "GET /ok%00", "GET /ok%3f", "GET /ok;a=b", "GET /ok%20",
	} {
		method, path, _ := strings.Cut(route, " ")
		res := serve(h, request(method, "/api/auth"+path, ""))
		require.Equal(t, "not_found", res.Header.Get("Problem"), route)
	}

	for _, target := range []string{"/api/authx/ok", "/ok", "/", "/v1/api/auth/ok"} {
		require.Equal(t, "not_found", serve(h, request(http.MethodGet, target, "")).Header.Get("Problem"), target)
	}

	require.Equal(t, asked, s.asked.Load(), "the service hears of none of them")
}

func TestProxy_PassesWhatMattersAndNothingElse(t *testing.T) {
	t.Parallel()

	s, h := setup(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("Set-Auth-Token", "t")
		w.Header().Set("X-Retry-After", "7")
		w.Header().Set("Cache-Control", "public")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"code":"X"}`)
	}, proxy.Options{})

	r := request(http.MethodPost, "/api/auth/sign-in/email", `{"a":1}`)
	r.Header = http.Header{
		"Cookie": {"imagerun.session_token=x"}, "Origin": {"http://localhost:8080"}, "Content-Type": {"application/json"},
		"Sec-Fetch-Site":            {"same-origin"},
		"X-Imagerun-Client-Address": {"198.51.100.1"}, "X-Forwarded-For": {"198.51.100.2"}, "X-Forwarded-Host": {"evil.example"},
		"X-Forwarded-Proto": {"https"}, "Forwarded": {"for=198.51.100.3"}, "X-Real-Ip": {"198.51.100.4"}, "Cf-Connecting-Ip": {"198.51.100.5"},
		"X-Anything": {"x"}, "Connection": {"Upgrade, Cookie"}, "Upgrade": {"websocket"}, "Te": {"trailers"}, "X-Http-Method-Override": {"DELETE"},
	}
	r.Host = "evil.example"

	res := serve(h, r)
	got := s.last.Load()

	require.Equal(t, http.Header{
		"Cookie": {"imagerun.session_token=x"}, "Origin": {"http://localhost:8080"}, "Content-Type": {"application/json"},
		"Sec-Fetch-Site":            {"same-origin"},
		"X-Imagerun-Client-Address": {"203.0.113.9"}, "Content-Length": {"7"}, "Accept-Encoding": {"gzip"},
	}, got.Header)
	require.Equal(t, `{"a":1}`, s.body.Load())
	require.NotEqual(t, "evil.example", got.Host)

	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, []string{"a=1", "b=2"}, res.Header.Values("Set-Cookie"))
	require.Equal(t, "t", res.Header.Get("Set-Auth-Token"))
	require.Equal(t, "7", res.Header.Get("Retry-After"))
	require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))

	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{"code":"X"}`, string(content))
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("the sender left") }

func TestProxy_Body(t *testing.T) {
	t.Parallel()

	s, h := setup(t, nil, proxy.Options{})

	fits := `{"password":"` + strings.Repeat("a", proxy.MaxBody-len(`{"password":""}`)) + `"}`
	require.Equal(t, http.StatusOK, serve(h, request(http.MethodPost, "/api/auth/sign-in/email", fits)).StatusCode)
	require.Equal(t, fits, s.body.Load())

	asked := s.asked.Load()

	for name, tc := range map[string]struct {
		r    *http.Request
		want string
	}{
		"Announced": {request(http.MethodPost, "/api/auth/sign-in/email", fits+"a"), "body_too_large"},
		"Chunked": {
			httptest.NewRequest(http.MethodPost, "/api/auth/sign-in/email", io.MultiReader(bytes.NewReader(make([]byte, 1<<20)))), "body_too_large",
		},
		"Broken": {httptest.NewRequest(http.MethodPost, "/api/auth/sign-in/email", io.Reader(brokenBody{})), "body_incomplete"},
		"Query":  {request(http.MethodPost, "/api/auth/verify-email?token="+strings.Repeat("a", 9<<10), ""), "body_too_large"},
	} {
		require.Equal(t, tc.want, serve(h, tc.r).Header.Get("Problem"), name)
	}

	require.Equal(t, asked, s.asked.Load(), "the service hears of none of them")
}

func TestProxy_ServiceFails(t *testing.T) {
	t.Parallel()

	ask := func(h http.Handler) *http.Response {
		return serve(h, request(http.MethodPost, "/api/auth/sign-up/email", `{}`))
	}

	t.Run("NotThere", func(t *testing.T) {
		t.Parallel()

		s, h := setup(t, nil, proxy.Options{})
		s.Close()

		require.Equal(t, "auth_unavailable", ask(h).Header.Get("Problem"))
		require.Zero(t, s.asked.Load())
	})

	t.Run("ActsButDoesNotAnswer", func(t *testing.T) {
		t.Parallel()

		s, h := setup(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, proxy.Options{})

		require.Equal(t, "auth_unavailable", ask(h).Header.Get("Problem"))
		require.EqualValues(t, 1, s.asked.Load(), "asked once, never again by itself")
	})

	t.Run("Hangs", func(t *testing.T) {
		t.Parallel()

		_, h := setup(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, proxy.Options{Timeout: 50 * time.Millisecond})

		require.Equal(t, "auth_unavailable", ask(h).Header.Get("Problem"))
	})

	t.Run("Errs", func(t *testing.T) {
		t.Parallel()

		_, h := setup(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=1")
			http.Error(w, "stack trace", http.StatusInternalServerError)
		}, proxy.Options{})

		res := ask(h)
		require.Equal(t, "auth_unavailable", res.Header.Get("Problem"))
		require.Empty(t, res.Cookies())
	})

	t.Run("ClientLeaves", func(t *testing.T) {
		t.Parallel()

		ctx, leave := context.WithCancel(t.Context())
		_, h := setup(t, func(_ http.ResponseWriter, r *http.Request) {
			leave()
			<-r.Context().Done()
		}, proxy.Options{})

		res := serve(h, request(http.MethodGet, "/api/auth/ok", "").WithContext(ctx))
		require.Equal(t, "internal_error", res.Header.Get("Problem"), "the edge knows that the caller is gone, and it is nothing of the service's")
	})
}
