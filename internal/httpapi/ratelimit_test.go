package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/plan"
	"imagerun/internal/ratelimit"
)

// limits are the plans of users, and what counts their requests: each quota once, and nothing of it
// comes back, but for what is said to be over.
type limits struct {
	rates map[uuid.UUID]plan.Rate  // absent: as the default plan's
	over  map[string]time.Duration // policies that refuse, and for how long
	err   error                    // of the plans

	mu   sync.Mutex
	used map[string]int // guarded by mu
}

func (l *limits) PlanOf(_ context.Context, userID uuid.UUID) (plan.Plan, error) {
	rate, ok := l.rates[userID]
	if !ok {
		rate = plan.Rate{Requests: 300, Submissions: 30}
	}

	return plan.Plan{Rate: rate}, l.err
}

func (l *limits) Allow(_ context.Context, subject string, asked ...ratelimit.Limit) ratelimit.Decision {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.used == nil {
		l.used = map[string]int{}
	}

	d := ratelimit.Decision{Allowed: true}
	for _, a := range asked {
		d.Allowed = d.Allowed && l.over[a.Policy] == 0
	}

	for _, a := range asked {
		if d.Allowed {
			l.used[subject+a.Policy]++
		}

		s := ratelimit.Standing{Limit: a, Remaining: a.Quota - l.used[subject+a.Policy], Next: a.Window / time.Duration(a.Quota)}
		if wait := l.over[a.Policy]; wait > 0 {
			s.Remaining, s.Next = 0, wait
		}

		d.Standings = append(d.Standings, s)
	}

	return d
}

func (l *limits) AllowMany(ctx context.Context, subject string, n int, asked ...ratelimit.Limit) (allowed int, d ratelimit.Decision) {
	for range n {
		if d = l.Allow(ctx, subject, asked...); d.Allowed && d.Standings[0].Remaining < 0 {
			d.Allowed, d.Standings[0].Remaining = false, 0
		}

		if d.Allowed {
			allowed++
		}
	}

	return allowed, d
}

func requireLimits(t *testing.T, w *httptest.ResponseRecorder, policy, left string) {
	t.Helper()

	require.Equal(t, policy, w.Header().Get("RateLimit-Policy"))
	require.Equal(t, left, w.Header().Get("RateLimit"))
}

func TestRateLimit_EveryAnswerSays(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.models = func() []catalogue.Model { return nil }
	b.submit = func(generation.Submission) (generation.Generation, *idempotency.Record, error) {
		return sample(generation.StatusQueued, 1), nil, nil
	}
	b.get = ofAlice(sample(generation.StatusSucceeded, 5))

	const policy = `"requests";q=300;w=60`

	w := b.do("GET", "/v1/models", "")
	require.Equal(t, 200, w.Code)
	requireLimits(t, w, policy, `"requests";r=299;t=1`)

	w = b.do("POST", "/v1/generations", `{"model":"z-image-turbo","prompt":"a fox"}`)
	require.Equal(t, 202, w.Code)
	requireLimits(t, w, policy+`, "submissions";q=10;w=20`, `"requests";r=298;t=1, "submissions";r=9;t=2`)

	// Of a refusal of another kind too: by the contract, by a service, for want of a right.
	requireLimits(t, b.do("POST", "/v1/generations", `{}`), policy+`, "submissions";q=10;w=20`, `"requests";r=297;t=1, "submissions";r=8;t=2`)
	requireLimits(t, b.do("GET", "/v1/generations/gen_00000000000000000000000000000000", ""), policy, `"requests";r=296;t=1`)

	w = b.do("POST", "/v1/generations/"+sampleID+"/cancel", "", "Authorization", "Bearer reader")
	requireCode(t, w, 403, "insufficient_scope")
	requireLimits(t, w, policy+`, "key-requests";q=240;w=60`, `"requests";r=295;t=1, "key-requests";r=239;t=1`)

	// Another user, and one with another plan.
	b.limits.rates = map[uuid.UUID]plan.Rate{bob: {Requests: 60000, Submissions: 30000}}
	requireLimits(t, b.do("GET", "/v1/models", "", "Authorization", "Bearer bob"), `"requests";q=60000;w=60`, `"requests";r=59999;t=1`)

	// A caller that is not known is not counted, and what is not ours to serve neither.
	for _, w := range []*httptest.ResponseRecorder{
		b.do("GET", "/v1/models", "", "Authorization", ""),
		b.do("GET", "/v1/nothing", ""),
		b.do("GET", "/openapi.yaml", ""),
		b.do("GET", "/api/auth/get-session", ""),
	} {
		requireLimits(t, w, "", "")
	}
}

func TestRateLimit_Refuses(t *testing.T) {
	t.Parallel()

	b := setup(t) // a service that is called fails the test

	b.limits.over = map[string]time.Duration{"submissions": 1500 * time.Millisecond}
	w := b.do("POST", "/v1/generations", `{"model":"z-image-turbo","prompt":"a fox"}`)
	p := requireCode(t, w, 429, "rate_limited")
	require.Equal(t, "https://iana.org/assignments/http-problem-types#quota-exceeded", p.Type)
	require.Equal(t, []string{"submissions"}, p.ViolatedPolicies)
	require.True(t, p.Retryable)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	requireLimits(t, w, `"requests";q=300;w=60, "submissions";q=10;w=20`, `"requests";r=300;t=1, "submissions";r=0;t=2`)
	contractOf(t).requireConforms(t, "429", "post", "/v1/generations", w)
	require.Contains(t, b.log.String(), `"code":"rate_limited"`)
	require.Contains(t, b.log.String(), alice.String())

	requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/remix", `{}`), 429, "rate_limited")

	b.limits.over = map[string]time.Duration{"requests": time.Millisecond, "key-requests": 3 * time.Second}
	w = b.do("GET", "/v1/models", "", "Authorization", "Bearer key")
	p = requireCode(t, w, 429, "rate_limited")
	require.Equal(t, []string{"requests", "key-requests"}, p.ViolatedPolicies)
	require.Equal(t, "3", w.Header().Get("Retry-After"), "until all would let it in")

	w = b.do("GET", "/v1/events", "")
	requireCode(t, w, 429, "rate_limited")
	require.Equal(t, "1", w.Header().Get("Retry-After"), "never none")

	// A page of another site cannot use up what a visitor may ask.
	w = b.do("POST", "/v1/generations/"+sampleID+"/cancel", "", "Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "cross-site")
	requireCode(t, w, 403, "cross_origin")
	requireLimits(t, w, "", "")
}

// Every operation counts, says that it may refuse, and those that submit count as submissions.
func TestRateLimit_EveryOperation(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.limits.over = map[string]time.Duration{"requests": time.Second, "submissions": time.Second}
	doc := contractOf(t)
	submits := map[string]bool{"POST /v1/generations": true, "POST /v1/generations/{id}/remix": true}

	for _, pattern := range httpapi.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/v1/") || pattern == productsRoute {
			continue
		}

		w := b.do(method, strings.ReplaceAll(path, "{id}", sampleID), "")
		p := requireCode(t, w, 429, "rate_limited")
		require.Equal(t, submits[pattern], len(p.ViolatedPolicies) == 2, pattern)
		doc.requireConforms(t, "429", strings.ToLower(method), path, w)
	}
}

func TestRateLimit_NoPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.limits.err = errors.New("the database is away")
	requireCode(t, b.do("GET", "/v1/models", ""), 500, "internal_error")
}

// The pace is that of the plan, the window whole, and no more comes at once than in the plan's minute.
func TestRateLimit_Portions(t *testing.T) {
	t.Parallel()

	for inMinute, want := range map[int]string{
		1: "1 in 1m0s", 6: "6 in 1m0s", 10: "10 in 1m0s", 12: "10 in 50s", 20: "10 in 30s", 30: "10 in 20s", 31: "31 in 1m0s",
		45: "15 in 20s", 120: "40 in 20s", 30000: "10000 in 20s",
	} {
		limits := httpapi.LimitsOf(plan.Rate{Requests: 1, Submissions: inMinute}, &auth.Principal{Method: auth.MethodAPIKey}, true)
		require.Len(t, limits, 3)
		require.Equal(t, 1, limits[1].Quota, "a key may always ask")
		require.Equal(t, want, fmt.Sprintf("%d in %s", limits[2].Quota, limits[2].Window))
		require.Equal(t, inMinute*int(limits[2].Window.Seconds()), limits[2].Quota*60, inMinute)
	}
}
