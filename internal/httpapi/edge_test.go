package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

func TestEdge_RequestID(t *testing.T) {
	t.Parallel()

	for sent, taken := range map[string]bool{
		"0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214": true,
		"trace1234":                            true,
		"short":                                false,
		"sk_live_0000000000000000":             false,
		"someone@example.com":                  false,
		strings.Repeat("a", 65):                false,
		"":                                     false,
	} {
		w := setup(t).do("GET", "/nothing", "", "X-Request-Id", sent)
		got := w.Header().Get("X-Request-Id")
		require.Equal(t, taken, got == sent, sent)

		if !taken {
			_, err := uuid.Parse(got)
			require.NoError(t, err)
		}
	}
}

func TestEdge_SafeHeaders(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = ofAlice(sample(generation.StatusQueued, 1))

	for target, kept := range map[string]string{
		"/v1/generations/" + sampleID: "private, no-cache", "/nothing": "no-store", "/v1/generations/gen_1": "no-store",
	} {
		h := b.do("GET", target, "").Header()
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "DENY", h.Get("X-Frame-Options"))
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
		require.Equal(t, kept, h.Get("Cache-Control"))
		require.NotEmpty(t, h.Get("Content-Security-Policy"))
		require.NotEmpty(t, h.Get("X-Request-Id"))
	}
}

func TestEdge_LogsIDsOnly(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.list = func(uuid.UUID, generation.Filter) (generation.Page, error) { return generation.Page{}, nil }

	b.do("GET", "/v1/generations?model=canary-7f3a", "", "User-Agent", "canary-7f3a", "X-Request-Id", "trace-0001")
	b.do("CANARY", "/canary-7f3a", "")

	text := b.log.String()
	require.NotContains(t, strings.ToLower(text), "canary")
	require.Contains(t, text, `"route":"/v1/generations"`)
	require.Contains(t, text, `"method":"GET"`)
	require.Contains(t, text, `"status":200`)
	require.Contains(t, text, `"request_id":"trace-0001"`)
	require.Contains(t, text, `"user_id":"`+alice.String()+`"`)
	require.Contains(t, text, `"route":"unmatched"`)
	require.Equal(t, 2, strings.Count(text, "\n"), "one line a request")
}

func TestEdge_Panic(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = func(_, _ uuid.UUID) (generation.Generation, error) { panic(canary) }

	p := requireCode(t, b.do("GET", "/v1/generations/"+sampleID, ""), http.StatusInternalServerError, "internal_error")
	require.True(t, p.Retryable)
	require.NotContains(t, b.log.String(), canary, "a panic's value may hold anything")
	require.Contains(t, b.log.String(), "handler panicked")
	require.Contains(t, b.log.String(), p.RequestID)
}

// A reply that has begun cannot become a problem: the connection is cut, so that it is not taken
// for whole.
func TestEdge_PanicInsideAReply(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = ofAlice(sample(generation.StatusRunning, 2))
	b.events = func(_, _ uuid.UUID, _ int64) ([]generation.Event, error) { panic(canary) }

	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/generations/"+sampleID+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer alice")

	reply, err := server.Client().Do(r)
	require.NoError(t, err)

	defer func() { require.NoError(t, reply.Body.Close()) }()

	_, err = readAll(reply.Body)
	require.Error(t, err)
}

func TestEdge_AuthServiceAnswers(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for _, headers := range [][]string{
		{"Authorization", ""}, // a program
		{"Authorization", "", "Sec-Fetch-Site", "same-origin"},        // our own page
		{"Authorization", "Bearer x", "Origin", "https://a.example"},  // shows that it is a program
		{"Authorization", "", "Origin", "http://example.com"},         // the same host
		{"Authorization", "", "Sec-Fetch-Site", "none", "Origin", ""}, // typed into the address bar
	} {
		w := b.do("POST", "/api/auth/sign-in/email", `{}`, headers...)
		require.Equal(t, http.StatusTeapot, w.Code, headers)
		require.Equal(t, "auth", w.Header().Get("X-From"))
	}
}

func TestEdge_CookieFromOurOwnPages(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.remove = func(_, _ uuid.UUID) error { return nil }

	ours := []string{"Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "same-origin"}
	require.Equal(t, http.StatusNoContent, b.do("DELETE", "/v1/generations/"+sampleID, "", ours...).Code)

	theirs := []string{"Authorization", "", "Cookie", "session=1", "Sec-Fetch-Site", "cross-site"}
	requireCode(t, b.do("DELETE", "/v1/generations/"+sampleID, "", theirs...), http.StatusForbidden, "cross_origin")

	bearer := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://a.example"}
	require.Equal(t, http.StatusNoContent, b.do("DELETE", "/v1/generations/"+sampleID, "", bearer...).Code)
}

// When it cannot be found out who is calling, no caller is let in and none is sent away for good.
func TestEdge_AuthenticationOutage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w := b.do("GET", "/v1/models", "", "Authorization", "Bearer outage")
	require.True(t, requireCode(t, w, http.StatusServiceUnavailable, "database_unavailable").Retryable)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Empty(t, b.calls())
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = ofAlice(sample(generation.StatusQueued, 1))

	b.do("GET", "/v1/generations/"+sampleID, "")
	b.do("GET", "/v1/generations/gen_1", "")
	b.do("BREW", "/anything", "")

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.metrics.Collectors()...)

	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP imagerun_http_requests_total Requests handled, by route pattern, method and class of status.
# TYPE imagerun_http_requests_total counter
imagerun_http_requests_total{method="GET",route="/v1/generations/{id}",status="2xx"} 1
imagerun_http_requests_total{method="GET",route="/v1/generations/{id}",status="4xx"} 1
imagerun_http_requests_total{method="other",route="unmatched",status="4xx"} 1
`), "imagerun_http_requests_total"))
}

// How long a wait took says nothing of us, so it is told apart from what answers at once.
func TestMetrics_TellWaitsApart(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = ofAlice(sample(generation.StatusRunning, 1))

	b.do("GET", "/v1/generations/"+sampleID, "")
	b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=1")
	b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=0")

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.metrics.Collectors()...)

	families, err := registry.Gather()
	require.NoError(t, err)

	took, inFlight := map[string]uint64{}, -1.0

	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "imagerun_http_request_duration_seconds":
				took[m.GetLabel()[0].GetName()+" "+m.GetLabel()[0].GetValue()] += m.GetHistogram().GetSampleCount()
			case "imagerun_http_requests_in_flight":
				inFlight = m.GetGauge().GetValue()
			}
		}
	}

	require.Equal(t, map[string]uint64{"lasting true": 1, "lasting false": 2}, took)
	require.Zero(t, inFlight)
}

func TestNewServer_GivesNoCallerForEver(t *testing.T) {
	t.Parallel()

	s := httpapi.NewServer(http.NotFoundHandler(), nil)
	require.NotZero(t, s.ReadHeaderTimeout)
	require.NotZero(t, s.ReadTimeout)
	require.NotZero(t, s.WriteTimeout)
	require.NotZero(t, s.IdleTimeout)
	require.NotZero(t, s.MaxHeaderBytes)
}
