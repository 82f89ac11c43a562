// Package ops is the private listener of every process: metrics, health, profiles and the pages
// that app adds to it. /healthz and /readyz answer any caller, because load balancers have no
// login; everything else wants the operators' one, and refuses every caller where none is set. Wrong logins make the next ones
// wait, longer and longer.
package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"imagerun/internal/ratelimit"
	"imagerun/internal/redact"
	"imagerun/internal/telemetry"
)

// Page is something that app mounts on the listener.
type Page struct {
	Path    string // such as "/queues": the handler gets it and everything below, unchanged
	Title   string // for the index
	Handler http.Handler
}

// Options say what is shown, and to which operators.
type Options struct {
	Process  string // api, worker, …: the title of the index
	Version  string
	User     string        // empty: no operator may log in
	Password redact.Secret // empty: no operator may log in
	Metrics  prometheus.Gatherer
	Health   *telemetry.Health
	Limiter  *ratelimit.Limiter // counts wrong logins for all processes together; nil: they are not counted
	Log      *slog.Logger
	Pages    []Page
}

// New returns the handler of the private listener.
func New(o Options) http.Handler {
	private := http.NewServeMux()
	private.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		// One collector that fails must not blank the others.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{o.Log},
	}))
	private.HandleFunc("GET /debug/pprof/", pprof.Index)
	private.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	private.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	private.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	private.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	private.HandleFunc("GET /{$}", o.serveIndex)

	for _, page := range o.Pages {
		private.Handle(strings.TrimRight(page.Path, "/")+"/", page.Handler)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", o.serveReadyz)
	// The browser adds the login to every request, also to one that a foreign page makes it send.
	mux.Handle("/", newLogin(o).requireOperator(http.NewCrossOriginProtection().Handler(private)))

	return setHeaders(mux)
}

// serveHealthz: the process answers, so it must not be restarted.
func serveHealthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReadyz: whether work should be sent here.
func (o Options) serveReadyz(w http.ResponseWriter, r *http.Request) {
	report := o.Health.Report(r.Context())
	status := http.StatusOK

	if !report.State.WantsWork() {
		status = http.StatusServiceUnavailable
	}

	writeJSON(w, status, report)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the reader may have left
}

func setHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// serveIndex links to everything that exists here.
func (o Options) serveIndex(w http.ResponseWriter, r *http.Request) {
	type link struct{ Path, Title string }

	links := make([]link, 0, len(o.Pages)+4)
	for _, page := range o.Pages {
		links = append(links, link{Path: strings.TrimRight(page.Path, "/") + "/", Title: page.Title})
	}

	links = append(links,
		link{Path: "/metrics", Title: "Metrics, for Prometheus"},
		link{Path: "/readyz", Title: "Readiness, check by check"},
		link{Path: "/healthz", Title: "Liveness"},
		link{Path: "/debug/pprof/", Title: "Profiles of the running process"},
	)

	w.Header().Set("Content-Type", "text/html; charset=utf-8")

	err := template.Must(template.New("index").Parse(indexPage)).Execute(w, map[string]any{
		"Process": o.Process, "Version": o.Version, "Links": links, "Report": o.Health.Report(r.Context()),
	})
	if err != nil {
		o.Log.WarnContext(r.Context(), "the index could not be written", slog.Any("error", err))
	}
}

// pageStyle is how a page of ours looks.
const pageStyle = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff }
th, td { text-align: left; padding: 0 1rem 0 0 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } a { color: #8ab4f8 } }
`

const indexPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Process}} · imagerun</title>
<style>` + pageStyle + `</style>
<h1>{{.Process}}</h1>
<p>Version {{.Version}}. State: <strong>{{.Report.State}}</strong>.</p>
<ul>{{range $name, $result := .Report.Checks}}
<li>{{$name}}: {{$result}}</li>{{end}}
</ul>
<ul>{{range .Links}}
<li><a href="{{.Path}}">{{.Title}}</a></li>{{end}}
</ul>
</html>
`

// scrapeLog has promhttp's complaints in our log.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (s scrapeLog) Println(v ...any) {
	s.log.Warn("metrics scrape incomplete", slog.Any("error", errors.New(fmt.Sprint(v...))))
}

// Listen takes the address, so that a process can tell its port before it serves. Port 0 is any.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}

	return l, nil
}

// Serve answers on l until ctx ends; then it takes no more requests, gives the running ones
// patience (zero: 5 s) and closes what is left. It returns nil when it ended because of ctx.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, patience time.Duration) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// Longer than a profile of 30 s; pprof refuses longer ones by itself.
		WriteTimeout:   90 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}

	stopped := make(chan error, 1)
	served := make(chan struct{})

	go func() {
		defer close(stopped)

		select {
		case <-ctx.Done():
		case <-served:
			return
		}

		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(patience, 5*time.Second))
		defer cancel()

		if err := server.Shutdown(grace); err != nil {
			stopped <- server.Close()
		}
	}()

	err := server.Serve(l)

	close(served)

	stopErr := <-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return stopErr
	}

	return fmt.Errorf("serve: %w", err)
}
