package apptest_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/devstack/devtest"
)

// A program that runs wild is stopped; its owner, others and those with a larger plan are not, with
// Redis and without.
func TestRateLimits(t *testing.T) {
	t.Parallel()

	redis := devtest.OwnRedis(t)
	p := apptest.Start(t, apptest.Options{Redis: redis.URL})

	// exhaust asks until refused, and returns how often it was not.
	exhaust := func(u *apptest.User) (answered int, last *http.Response) {
		for range 2000 {
			last = u.Do(t, http.MethodGet, "/v1/models", nil, nil)
			if last.StatusCode == http.StatusTooManyRequests {
				break
			}

			require.Equal(t, http.StatusOK, last.StatusCode)

			answered++
		}

		return answered, last
	}

	requireWild := func(u *apptest.User, answered int, began time.Time) {
		t.Helper()

		back := int(time.Since(began).Seconds()*4) + 1 // 240 in a minute
		require.GreaterOrEqual(t, answered, 240)
		require.LessOrEqual(t, answered, 240+back)

		status, problem := u.Refused(t, http.MethodGet, "/v1/models", nil)
		for status == http.StatusOK { // one has come back
			status, problem = u.Refused(t, http.MethodGet, "/v1/models", nil)
		}

		require.Equal(t, http.StatusTooManyRequests, status)
		require.Equal(t, "rate_limited", problem.Code)
	}

	wild, other, studio := p.SignUp(t, ""), p.SignUp(t, ""), p.SignUp(t, "studio")

	began := time.Now()
	answered, reply := exhaust(wild)
	requireWild(wild, answered, began)
	require.Equal(t, `"requests";q=300;w=60, "key-requests";q=240;w=60`, reply.Header.Get("RateLimit-Policy"))
	require.Regexp(t, `^"requests";r=\d+;t=1, "key-requests";r=0;t=1$`, reply.Header.Get("RateLimit"))
	require.Equal(t, "1", reply.Header.Get("Retry-After"))

	require.Equal(t, http.StatusOK, wild.DoSignedIn(t, http.MethodGet, "/v1/api_keys").StatusCode, "the owner may still look, and revoke the key")
	require.Equal(t, http.StatusOK, other.Do(t, http.MethodGet, "/v1/models", nil, nil).StatusCode)

	for range 400 {
		require.Equal(t, http.StatusOK, studio.Do(t, http.MethodGet, "/v1/models", nil, nil).StatusCode)
	}

	require.Positive(t, p.Metric(t, p.OpsURL, "imagerun_rate_limit_refusals_total"))

	// Submissions have their own limit; what was refused is not there.
	accepted := 0

	for range 30 {
		reply := other.Do(t, http.MethodPost, "/v1/generations", map[string]any{"model": "z-image-turbo", "prompt": "a fox", "quality": "draft"}, nil)
		if reply.StatusCode == http.StatusTooManyRequests {
			wait, err := strconv.Atoi(reply.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.Contains(t, []int{1, 2}, wait)

			break
		}

		require.Equal(t, http.StatusAccepted, reply.StatusCode)

		accepted++
	}

	require.GreaterOrEqual(t, accepted, 10)
	require.Less(t, accepted, 30)
	require.Equal(t, accepted, p.Count(t, `select count(*) from ai_task where user_id = $1`, other.ID))

	// Without Redis it goes on, and stays fast.
	redis.Kill()

	began = time.Now()
	late := p.SignUp(t, "")
	answered, _ = exhaust(late)
	requireWild(late, answered, began)

	require.NoError(t, redis.Restart(t.Context(), false))
	p.Quiet(t)
}
