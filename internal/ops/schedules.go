package ops

import (
	"bytes"
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"imagerun/queue/durable"
)

const (
	// schedulesTimeout is how long the page waits for what it shows.
	schedulesTimeout = 5 * time.Second
	// overdueAfter is how late a tick may be while schedulers run: they look each second.
	overdueAfter = 10 * time.Second
)

// NewSchedulesPage returns the page of the schedules that list reads: when each ran last and what became of it, and when it
// runs next.
func NewSchedulesPage(list func(context.Context) ([]durable.Scheduled, error), log *slog.Logger) http.Handler {
	page := template.Must(template.New("schedules").Funcs(template.FuncMap{
		"time":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"overdue": func(t time.Time) bool { return time.Since(t) > overdueAfter },
	}).Parse(schedulesPage))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/schedules/":
			http.NotFound(w, r)

			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "This page is only to be read.", http.StatusMethodNotAllowed)

			return
		}

		ctx, cancel := context.WithTimeout(r.Context(), schedulesTimeout)
		defer cancel()

		var body bytes.Buffer

		schedules, err := list(ctx)
		if err == nil {
			err = page.Execute(&body, schedules)
		}

		if err != nil {
			log.WarnContext(ctx, "the schedules could not be shown", slog.Any("error", err))
			http.Error(w, "The schedules could not be read. The log of this process says why.", http.StatusServiceUnavailable)

			return
		}

		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = body.WriteTo(w) // the reader may have left
	})
}

const schedulesPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Schedules · imagerun</title>
<style>` + pageStyle + `</style>
<h1>Schedules</h1>
<p>Times are in UTC. A run is a job: <code>imagerun jobs list --kind …</code> has it while it lasts, and for as long as it is dead.</p>
<table>
<tr><th>Schedule</th><th>When</th><th>Kind</th><th>Last run</th><th>What became of it</th><th>Next run</th></tr>{{range .}}
<tr><td>{{.Name}}</td><td>{{.Spec}}</td><td>{{.Kind}}</td>
<td>{{with .LastRun}}{{time .}}{{else}}never{{end}}</td>
<td>{{.LastState}}{{with .LastError}}: {{.}}{{end}}</td>
<td>{{time .NextRun}}{{if overdue .NextRun}}, <strong>overdue: does a scheduler run?</strong>{{end}}</td></tr>{{end}}
</table>
<p><a href="/">All pages</a></p>
</html>
`
