package ops_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/ops"
	"imagerun/internal/ratelimit"
)

// limiter returns one that all processes of a test share; without a Redis it counts by itself, in the same way.
func limiter(t *testing.T) func(*ops.Options) {
	t.Helper()

	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })

	l := ratelimit.New(client, ratelimit.Options{
		CoolOff: time.Hour, Metrics: ratelimit.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: clock.System,
	})

	return func(o *ops.Options) { o.Limiter = l }
}

func from(addr, password string, cookies ...*http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		r.RemoteAddr = addr + ":4711"
		r.SetBasicAuth("operator", password)

		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
}

// Thirty addresses with three wrong passwords each, at two processes: five are judged. An operator who was let in before is
// let in still, and guesses no better.
func TestLogin_WrongPasswordsCountTogether(t *testing.T) {
	t.Parallel()

	shared := limiter(t)
	one, _ := setup(shared)
	other, _ := setup(shared)
	processes := []http.Handler{one, other}

	const prometheus, laptop, stranger = "10.0.0.1", "10.0.0.2", "10.0.0.3"

	require.Equal(t, http.StatusOK, ask(one, http.MethodGet, "/metrics", from(prometheus, password)).Code)

	cookies := ask(one, http.MethodGet, "/", from(laptop, password)).Result().Cookies()
	require.Len(t, cookies, 1)
	require.True(t, cookies[0].HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookies[0].SameSite)

	judged := 0

	for i := range 90 {
		w := ask(processes[i%2], http.MethodGet, "/metrics", from(fmt.Sprintf("10.0.1.%d", i%30), "wrong"))
		if w.Code == http.StatusUnauthorized {
			judged++

			continue
		}

		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
	}

	require.Equal(t, 5, judged)

	forged := *cookies[0]
	forged.Value = "z" + forged.Value

	require.Equal(t, http.StatusTooManyRequests, ask(one, http.MethodGet, "/metrics", from(stranger, password)).Code, "a pause tells nothing")
	require.Equal(t, http.StatusTooManyRequests, ask(one, http.MethodGet, "/metrics", from(stranger, password, &forged)).Code)
	require.Equal(t, http.StatusUnauthorized, ask(one, http.MethodGet, "/metrics", anonymous).Code)

	for range 200 {
		require.Equal(t, http.StatusOK, ask(one, http.MethodGet, "/metrics", from(prometheus, password)).Code)
		require.Equal(t, http.StatusOK, ask(other, http.MethodGet, "/metrics", from(stranger, password, cookies[0])).Code, "by its cookie, wherever it is")
	}

	judged = 0

	for range 90 {
		if ask(other, http.MethodGet, "/metrics", from(stranger, "wrong", cookies[0])).Code == http.StatusUnauthorized {
			judged++
		}
	}

	require.Equal(t, 50, judged)
	require.Equal(t, http.StatusOK, ask(one, http.MethodGet, "/metrics", from(prometheus, password)).Code, "others do not wait for it")
}
