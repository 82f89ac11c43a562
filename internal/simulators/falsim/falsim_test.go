package falsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

const testKey = "id:secret"

// hands is a clock that only moves when told.
type hands struct {
	mu sync.Mutex
	t  time.Time
}

func newHands() *hands { return &hands{t: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.t
}

func (h *hands) Move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.t = h.t.Add(d)
}

type bundle struct {
	t     *testing.T
	sim   *falsim.Sim
	url   string
	clock *hands
}

func setup(t *testing.T, o falsim.Options) *bundle {
	t.Helper()

	clock := newHands()
	o.Key, o.Seed, o.Now = testKey, 1, clock.Now

	b := serve(t, falsim.New(o))
	b.clock = clock

	return b
}

// serve puts a simulator on a port.
func serve(t *testing.T, sim *falsim.Sim) *bundle {
	t.Helper()

	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})

	return &bundle{t: t, sim: sim, url: server.URL}
}

type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (b *bundle) do(method, url, body string, header ...string) reply {
	b.t.Helper()

	if strings.HasPrefix(url, "/") {
		url = b.url + url
	}

	req, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Key "+testKey)

	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])

		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}

	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(b.t, err)

	out := reply{status: res.StatusCode, header: res.Header}
	out.raw, err = readAll(res)
	require.NoError(b.t, err)

	_ = json.Unmarshal(out.raw, &out.body)

	return out
}

func readAll(res *http.Response) ([]byte, error) {
	defer func() { _ = res.Body.Close() }()

	return io.ReadAll(res.Body)
}

// submit returns the accepted request's status object.
func (b *bundle) submit(endpoint, body string, header ...string) map[string]any {
	b.t.Helper()

	r := b.do(http.MethodPost, "/queue/"+endpoint, body, header...)
	require.Equal(b.t, http.StatusOK, r.status, string(r.raw))

	return r.body
}

func link(m map[string]any, name string) string { s, _ := m[name].(string); return s }

func TestSim_HoldsNothingForARunningRequest(t *testing.T) { //nolint:paralleltest // counts goroutines
	sim := falsim.New(falsim.Options{Key: testKey, Seed: 1, Duration: time.Hour})
	defer sim.Close()

	handler := sim.Handler()
	before := runtime.NumGoroutine()

	for range 1000 {
		req := httptest.NewRequest(http.MethodPost, "/queue/fal-ai/flux/dev", strings.NewReader(`{"prompt":"x"}`))
		req.Header.Set("Authorization", "Key "+testKey)

		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code)
	}

	require.Equal(t, 1000, sim.Stats().Running)
	require.LessOrEqual(t, runtime.NumGoroutine(), before+2)
}

func TestSim_IsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()

	ids := func() string {
		b := setup(t, falsim.Options{})

		return link(b.submit("fal-ai/flux/dev", `{"prompt":"x"}`), "request_id") + link(b.submit("fal-ai/flux/dev", `{"prompt":"x"}`), "request_id")
	}
	first, second := ids(), ids()
	require.Equal(t, first, second)
}

func TestSim_ForgetsTheOldest(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, MaxRequests: 2})
	first := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	b.clock.Move(time.Second)
	file := b.images(first)[0]
	b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)

	require.Equal(t, http.StatusNotFound, b.do("GET", link(first, "status_url"), "").status)
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
}

// images returns the links of a finished request.
func (b *bundle) images(accepted map[string]any) []string {
	b.t.Helper()

	r := b.do("GET", link(accepted, "response_url"), "")
	require.Equal(b.t, http.StatusOK, r.status, string(r.raw))

	var out struct {
		Images []struct{ URL string }
	}
	require.NoError(b.t, json.Unmarshal(r.raw, &out))

	links := make([]string, 0, len(out.Images))
	for _, img := range out.Images {
		links = append(links, img.URL)
	}

	return links
}

// await waits for what takes real time, such as the download of a reference.
func (b *bundle) await(accepted map[string]any) (s reply) {
	b.t.Helper()

	require.Eventually(b.t, func() bool {
		s = b.do("GET", link(accepted, "status_url"), "")

		return s.status == http.StatusOK
	}, 10*time.Second, time.Millisecond)

	return s
}
