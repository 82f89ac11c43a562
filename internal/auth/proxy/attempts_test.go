package proxy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/clock/clocktest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/ratelimit"
	"imagerun/internal/redact"
	"imagerun/queue/asynqueue"
)

// counting returns options of a proxy that counts in a Redis.
func counting(t *testing.T, url string, clock *clocktest.Clock) (proxy.Options, redis.UniversalClient) {
	t.Helper()

	client, err := asynqueue.Connect(url, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	return proxy.Options{
		Pace: time.Millisecond, Secret: redact.NewSecret("a secret that signs nothing but tests"), Now: clock.Now,
		Limiter: ratelimit.New(client, ratelimit.Options{
			Timeout: 10 * time.Second, Metrics: ratelimit.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: clock.Now,
		}),
	}, client
}

// from is a request about an address from the n-th client address.
func from(n int, route, email string, cookies ...*http.Cookie) *http.Request {
	r := request(http.MethodPost, "/api/auth"+route, fmt.Sprintf(`{"email":%q,"password":"wrong password","name":"a"}`, email))
	r.RemoteAddr = fmt.Sprintf("203.0.113.%d:4711", n)

	for _, c := range cookies {
		r.AddCookie(c)
	}

	return r
}

// judged sends n requests, each from another client address, and returns how many were not paused.
func judged(h http.Handler, n int, route, email string, cookies ...*http.Cookie) int {
	passed := 0

	for i := range n {
		if serve(h, from(i, route, email, cookies...)).Header.Get("Problem") != "auth_paused" {
			passed++
		}
	}

	return passed
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// Thirty client addresses with three wrong passwords each, and two copies of the api that they are spread over.
func TestProxy_WrongPasswordsCountForTheAccount(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	url, clock := devtest.Redis(t), clocktest.New()
	known := server.SignUp(t)

	copies := make([]http.Handler, 2)
	for i := range copies {
		o, _ := counting(t, url, clock)
		copies[i] = through(t, server.URL, o)
	}

	for _, email := range []string{known.Email, "nobody@example.com"} {
		var answers []string

		for i := range 90 {
			res := serve(copies[i%2], from(i%30, "/sign-in/email", strings.ToUpper(email[:i%3])+email[i%3:]))
			answers = append(answers, fmt.Sprint(res.StatusCode, res.Header.Get("Problem")))
		}

		require.Equal(t, []string{"401", "401", "401", "401", "401", "418auth_paused"}, answers[:6], email)
		require.NotContains(t, answers[6:], "401", email)
	}
}

// The more often it was tried, the longer the pause; a caller that waits is judged.
func TestProxy_ThePauseGrows(t *testing.T) {
	t.Parallel()

	clock := clocktest.New()
	o, _ := counting(t, "redis://127.0.0.1:1", clock) // this process counts, by the test's clock
	_, h := setup(t, status(http.StatusUnauthorized), o)

	var pauses []time.Duration

	for range 40 {
		res := serve(h, from(1, "/sign-in/email", "ada@example.com"))
		if res.StatusCode == http.StatusUnauthorized {
			continue
		}

		pause, err := time.ParseDuration(res.Header.Get("Retry-After"))
		require.NoError(t, err)

		pauses = append(pauses, pause.Round(time.Minute))
		clock.Move(pause)
	}

	require.NotEmpty(t, pauses)
	require.Equal(t, time.Minute, pauses[0])
	require.Contains(t, pauses, 6*time.Minute)
	require.Equal(t, 72*time.Minute, pauses[len(pauses)-1])
	require.IsNonDecreasing(t, pauses[1:])
}

func TestProxy_TheOwnersDeviceIsNotLockedOut(t *testing.T) {
	t.Parallel()

	clock := clocktest.New()
	o, _ := counting(t, devtest.Redis(t), clock)

	var code atomic.Int64

	_, h := setup(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) }, o)

	signIn := func(email string) *http.Cookie {
		code.Store(http.StatusOK)
		defer code.Store(http.StatusUnauthorized)

		cookies := serve(h, from(1, "/sign-in/email", email)).Cookies()
		require.Len(t, cookies, 1)
		require.True(t, cookies[0].HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, cookies[0].SameSite)
		require.NotContains(t, cookies[0].String(), "ada")

		return cookies[0]
	}

	own, others := signIn("ada@example.com"), signIn("eve@example.com")
	require.NotEqual(t, own.Name, others.Name, "one browser knows several accounts")

	require.Equal(t, 5, judged(h, 90, "/sign-in/email", "ada@example.com"))

	forged, renamed := *own, *others
	if forged.Value = "A" + own.Value[1:]; forged.Value == own.Value {
		forged.Value = "B" + own.Value[1:]
	}

	renamed.Name = own.Name

	for _, c := range []*http.Cookie{others, &forged, &renamed, {Name: own.Name, Value: "x"}} {
		require.Zero(t, judged(h, 3, "/sign-in/email", "ada@example.com", c))
	}

	require.Zero(t, judged(h, 3, "/sign-in/email", "ada@example.com", own, own), "of two none is believed")
	require.Equal(t, 5, judged(h, 20, "/sign-in/email", "ada@example.com", own), "it counts by itself")

	code.Store(http.StatusOK)
	require.Equal(t, 3, judged(h, 60, "/request-password-reset", "ada@example.com"))
	require.Equal(t, 3, judged(h, 20, "/request-password-reset", "ada@example.com", own))

	clock.Move(365 * 24 * time.Hour)
	require.Zero(t, judged(h, 3, "/sign-in/email", "ada@example.com", own), "known for a year")
}

// An owner who is made to wait on a new device resets the password, and is known there.
func TestProxy_AResetMakesTheDeviceKnown(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	o, _ := counting(t, devtest.Redis(t), clocktest.New())
	h := through(t, server.URL, o)
	u := server.SignUp(t)

	require.Equal(t, 5, judged(h, 20, "/sign-in/email", u.Email))
	require.Equal(t, http.StatusOK, serve(h, from(1, "/request-password-reset", u.Email)).StatusCode)

	link, err := url.Parse(server.Mail(t, "reset-password", u.Email))
	require.NoError(t, err)

	reset := func() *http.Response {
		return serve(h, request(http.MethodPost, "/api/auth/reset-password",
			fmt.Sprintf(`{"token":%q,"newPassword":"wrong password"}`, path.Base(link.Path)))) // as from sends it
	}

	res := reset()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	require.NotContains(t, fmt.Sprint(res.Header), u.Email)

	require.Zero(t, judged(h, 1, "/sign-in/email", u.Email), "a stranger waits")

	known := from(40, "/sign-in/email", u.Email, res.Cookies()...)
	known.Header.Set("Origin", server.Origin)
	require.Equal(t, http.StatusOK, serve(h, known).StatusCode)

	res = reset()
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "the link is used up")
	require.Empty(t, res.Cookies())
}

// Sixty mails to one person, however the address is written.
func TestProxy_MailsCountForTheRecipient(t *testing.T) {
	t.Parallel()

	o, client := counting(t, devtest.Redis(t), clocktest.New())
	s, h := setup(t, nil, o)

	spelled := func(i int) string {
		return []string{"ada.l@gmail.com", "ADA.L@gmail.com", "adal@googlemail.com", fmt.Sprintf("a.d.al+%d@gmail.com", i)}[i%4]
	}

	for i := range 60 {
		serve(h, from(i, "/request-password-reset", spelled(i)))
	}

	require.EqualValues(t, 3, s.asked.Load())

	for i := range 60 {
		serve(h, from(i, []string{"/sign-up/email", "/send-verification-email"}[i%2], spelled(i)))
	}

	require.EqualValues(t, 6, s.asked.Load())

	for _, email := range []string{"ad.al@example.com", "adal@example.com", "@", "ada"} {
		require.Equal(t, 3, judged(h, 4, "/sign-up/email", email), email)
	}

	// Redis holds digests, for a day at most.
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys)

	for _, key := range keys {
		require.Regexp(t, `^imagerun:rate:\{[0-9a-f]{32}\}:mail(-day)?:(reset|verify)$`, key)

		ttl, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.Greater(t, ttl, time.Duration(0))
		require.LessOrEqual(t, ttl, 24*time.Hour)
	}
}

// What was no wrong password, and no mail, does not count.
func TestProxy_OnlyWhatHappenedCounts(t *testing.T) {
	t.Parallel()

	o, _ := counting(t, devtest.Redis(t), clocktest.New())

	for i, tc := range []struct {
		path   string
		status int
		want   int // of 20
	}{
		{"/sign-in/email", http.StatusOK, 20},
		{"/sign-in/email", http.StatusUnauthorized, 5},
		{"/sign-in/email", http.StatusForbidden, 5},
		{"/sign-in/email", http.StatusTooManyRequests, 20},
		{"/sign-in/email", http.StatusInternalServerError, 20},
		{"/sign-up/email", http.StatusOK, 3},
		{"/sign-up/email", http.StatusBadRequest, 20},
		{"/request-password-reset", http.StatusOK, 3},
		{"/send-verification-email", http.StatusTooManyRequests, 20},
	} {
		_, h := setup(t, status(tc.status), o)
		require.Equal(t, tc.want, judged(h, 20, tc.path, fmt.Sprintf("user-%d@example.com", i)), tc)
	}

	closed, h := setup(t, nil, o)
	closed.Close()
	require.Equal(t, 20, judged(h, 20, "/sign-in/email", "unavailable@example.com"))
}

type sessions struct{ user uuid.UUID }

func (s sessions) Verify(context.Context, redact.Secret) (*auth.Principal, error) {
	return &auth.Principal{UserID: s.user, Method: auth.MethodBearer}, nil
}

// A change of the password asks for the present one: a holder of a session could guess it there.
func TestProxy_ChangesOfThePasswordCountForTheAccount(t *testing.T) {
	t.Parallel()

	o, _ := counting(t, devtest.Redis(t), clocktest.New())
	o.Authenticator = auth.NewAuthenticator(sessions{uuid.New()}, nil, "imagerun.session_token")
	s, h := setup(t, status(http.StatusBadRequest), o)

	change := func(session string) string {
		r := request(http.MethodPost, "/api/auth/change-password", `{"currentPassword":"wrong password","newPassword":"another password"}`)
		if session != "" {
			r.AddCookie(&http.Cookie{Name: "imagerun.session_token", Value: session})
		}

		return serve(h, r).Header.Get("Problem")
	}

	for i := range 30 {
		require.Equal(t, i >= 5, change(fmt.Sprint(i)) == "auth_paused", i)
	}

	require.Equal(t, "unauthenticated", change(""))
	require.EqualValues(t, 5, s.asked.Load())
}
