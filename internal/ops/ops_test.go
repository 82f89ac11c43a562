package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/internal/ops"
	"imagerun/internal/redact"
	"imagerun/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse battery"

func setup(change func(*ops.Options)) (http.Handler, *telemetry.Health) {
	log := slog.New(slog.DiscardHandler)
	health := telemetry.NewHealth(log, 0)
	o := ops.Options{
		Process: "api", Version: "abc", User: "operator", Password: redact.NewSecret(password),
		Metrics: telemetry.NewRegistry("api", "abc"), Health: health, Log: log,
		Pages: []ops.Page{{Path: "/queues", Title: "Queue <dashboard>", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "page at "+r.URL.Path)
		})}},
	}

	if change != nil {
		change(&o)
	}

	return ops.New(o), health
}

func ask(h http.Handler, method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.SetBasicAuth("operator", password)

	if change != nil {
		change(r)
	}

	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	return w
}

func anonymous(r *http.Request) { r.Header.Del("Authorization") }

func TestNew_Pages(t *testing.T) {
	t.Parallel()

	h, _ := setup(nil)

	for path, part := range map[string]string{
		"/":                              "<h1>api</h1>",
		"/metrics":                       "imagerun_build_info",
		"/healthz":                       `{"status":"ok"}`,
		"/readyz":                        `"status":"ready"`,
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline":           "ops.test",
		"/queues/":                       "page at /queues/",
		"/queues/api/queues":             "page at /queues/api/queues",
	} {
		w := ask(h, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Body.String(), part, path)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"), path)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
	}

	require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, "/nothing", nil).Code)
	require.Equal(t, http.StatusMethodNotAllowed, ask(h, http.MethodPost, "/metrics", nil).Code)
}

// Every link of the index leads somewhere.
func TestNew_IndexLinksWhatExists(t *testing.T) {
	t.Parallel()

	h, health := setup(nil)
	health.Add("redis", func(context.Context) error { return errors.New("refused") })

	body := ask(h, http.MethodGet, "/", nil).Body.String()
	require.Contains(t, body, "Queue &lt;dashboard&gt;")
	require.Contains(t, body, "redis: does not work")

	links := strings.Split(body, `href="`)[1:]
	require.Len(t, links, 5)

	for _, l := range links {
		path, _, _ := strings.Cut(l, `"`)
		require.NotEqual(t, http.StatusNotFound, ask(h, http.MethodGet, path, nil).Code, path)
	}
}

func TestNew_Login(t *testing.T) {
	t.Parallel()

	h, _ := setup(nil)

	refusals := map[string]func(*http.Request){
		"none":           anonymous,
		"other user":     func(r *http.Request) { r.SetBasicAuth("root", password) },
		"other password": func(r *http.Request) { r.SetBasicAuth("operator", password+"x") },
		"no password":    func(r *http.Request) { r.SetBasicAuth("operator", "") },
		"bearer":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+password) },
	}
	for name, change := range refusals {
		for _, path := range []string{"/", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/queues/", "/nothing"} {
			w := ask(h, http.MethodGet, path, change)
			require.Equal(t, http.StatusUnauthorized, w.Code, "%s %s", name, path)
			require.Contains(t, w.Header().Get("WWW-Authenticate"), "Basic", name)
			require.NotContains(t, w.Body.String(), password)
		}
	}

	for _, path := range []string{"/healthz", "/readyz"} {
		require.Equal(t, http.StatusOK, ask(h, http.MethodGet, path, anonymous).Code, path)
	}

	t.Run("NotSetMeansNobody", func(t *testing.T) {
		t.Parallel()

		for _, change := range []func(*ops.Options){
			func(o *ops.Options) { o.User, o.Password = "", redact.Secret{} },
			func(o *ops.Options) { o.Password = redact.Secret{} },
		} {
			closed, _ := setup(change)

			for _, user := range []string{"", "operator"} {
				w := ask(closed, http.MethodGet, "/metrics", func(r *http.Request) { r.SetBasicAuth(user, "") })
				require.Equal(t, http.StatusUnauthorized, w.Code)
			}
		}
	})
}

func TestNew_ForeignPagesChangeNothing(t *testing.T) {
	t.Parallel()

	h, _ := setup(nil)

	foreign := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}

	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPut} {
		require.Equal(t, http.StatusForbidden, ask(h, method, "/queues/x", foreign("Sec-Fetch-Site", "cross-site")).Code)
		require.Equal(t, http.StatusForbidden, ask(h, method, "/queues/x", foreign("Origin", "https://evil.example")).Code)
		require.Equal(t, http.StatusOK, ask(h, method, "/queues/x", foreign("Sec-Fetch-Site", "same-origin")).Code)
		require.Equal(t, http.StatusOK, ask(h, method, "/queues/x", nil).Code) // no browser
	}
}

func TestNew_Readiness(t *testing.T) {
	t.Parallel()

	h, health := setup(nil)
	health.Add("postgres", func(context.Context) error { return nil })
	health.Add("redis", func(context.Context) error { return errors.New("redis at 10.0.0.7 refused") })

	var report telemetry.Report

	w := ask(h, http.MethodGet, "/readyz", anonymous)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
	require.Equal(t, telemetry.NotReady, report.State)
	require.Equal(t, "ok", report.Checks["postgres"])
	require.NotEqual(t, "ok", report.Checks["redis"])
	require.NotContains(t, w.Body.String(), "10.0.0.7", "the reason is in the log")
	require.Equal(t, http.StatusOK, ask(h, http.MethodGet, "/healthz", anonymous).Code, "not ready is alive")

	health.Drain()

	w = ask(h, http.MethodGet, "/readyz", anonymous)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), `"draining"`)
}

// A collector that fails leaves the others readable.
func TestNew_MetricsSurviveOneCollector(t *testing.T) {
	t.Parallel()

	registry := telemetry.NewRegistry("api", "abc")
	registry.MustRegister(broken{})

	h, _ := setup(func(o *ops.Options) { o.Metrics = registry })
	w := ask(h, http.MethodGet, "/metrics", nil)

	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "imagerun_build_info")
}

type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "Never works.", nil, nil), errors.New("cannot be read"))
}

func TestServe(t *testing.T) {
	t.Parallel()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	get := func(t *testing.T, url string) (string, error) {
		t.Helper()

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)

		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}

		body, err := io.ReadAll(resp.Body)

		return string(body), errors.Join(err, resp.Body.Close())
	}

	t.Run("FinishesRunningRequests", func(t *testing.T) {
		t.Parallel()

		started, finish := make(chan struct{}), make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(started)
			<-finish

			_, _ = io.WriteString(w, "finished")
		})

		l, err := ops.Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)

		ctx, stop := context.WithCancel(t.Context())
		ended, replied := make(chan error, 1), make(chan string, 1)

		go func() { ended <- ops.Serve(ctx, l, h, slog.New(slog.DiscardHandler), time.Minute) }()
		go func() {
			body, _ := get(t, "http://"+l.Addr().String())
			replied <- body
		}()

		<-started
		stop()
		require.Eventually(t, func() bool { _, err := get(t, "http://"+l.Addr().String()); return err != nil }, 10*time.Second, 5*time.Millisecond)
		close(finish)
		require.Equal(t, "finished", <-replied)
		require.NoError(t, <-ended)
	})

	t.Run("PatienceEnds", func(t *testing.T) {
		t.Parallel()

		started := make(chan struct{})
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
		})

		l, err := ops.Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)

		ctx, stop := context.WithCancel(t.Context())
		ended, replied := make(chan error, 1), make(chan error, 1)

		go func() { ended <- ops.Serve(ctx, l, h, slog.New(slog.DiscardHandler), time.Millisecond) }()
		go func() {
			_, err := get(t, "http://"+l.Addr().String())
			replied <- err
		}()

		<-started
		stop()
		require.NoError(t, <-ended)
		require.Error(t, <-replied)
	})

	t.Run("AddressTaken", func(t *testing.T) {
		t.Parallel()

		l, err := ops.Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })

		_, err = ops.Listen(t.Context(), l.Addr().String())
		require.ErrorContains(t, err, "listen")
	})

	t.Run("ListenerLost", func(t *testing.T) {
		t.Parallel()

		l, err := ops.Listen(t.Context(), "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		require.ErrorContains(t, ops.Serve(t.Context(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler), 0), "serve")
	})
}
