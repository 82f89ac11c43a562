package asynqueue

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// DashboardOptions say what the dashboard shows and what its buttons change. All are required.
type DashboardOptions struct {
	Client redis.UniversalClient // stays the caller's
	Prefix string                // the path below which it is mounted, such as "/queues"
	Admin  *durable.Admin
	Cron   *durable.Cron // for the page of schedules
	Log    *slog.Logger
}

// Dashboard returns asynq's dashboard. What it shows is asynq's; what its buttons do is ours and
// done in Postgres, with the login name of the operator for the audit: run gives a dead job all
// its attempts again; archive, delete and cancel have a worker declare a live one dead; delete
// removes a dead one; pause is kept when Redis is not. Queues cannot be deleted.
//
// It has no login of its own: the listener that mounts it must ask for one, by basic authentication.
func Dashboard(o DashboardOptions) http.Handler {
	d := &dashboard{
		DashboardOptions: o,
		pusher:           NewPusher(o.Client),
		// Never closed: asynqmon would close our client.
		pages: asynqmon.New(asynqmon.Options{
			RootPath:     o.Prefix,
			RedisConnOpt: shared{o.Client},
			PayloadFormatter: asynqmon.PayloadFormatterFunc(func(string, []byte) string {
				return "arguments are in Postgres: imagerun jobs show"
			}),
		}),
	}

	return http.NewCrossOriginProtection().Handler(d)
}

type dashboard struct {
	DashboardOptions

	pusher *Pusher
	pages  http.Handler
}

// ServeHTTP lets looks through to asynqmon; nothing else gets there.
func (d *dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, d.Prefix)

	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		d.servePress(w, r, path)
	case path == "/api/scheduler_entries":
		d.serveSchedules(w, r)
	case strings.HasPrefix(path, "/api/scheduler_entries/"):
		d.writeJSON(w, map[string]any{"events": []any{}}) // what became of a tick is a job like any other
	default:
		d.pages.ServeHTTP(w, r)
	}
}

// serveSchedules answers as asynqmon does, with our schedules in place of an asynq scheduler's.
func (d *dashboard) serveSchedules(w http.ResponseWriter, r *http.Request) {
	type entry struct {
		ID      string   `json:"id"`
		Spec    string   `json:"spec"`
		Kind    string   `json:"task_type"`
		Payload string   `json:"task_payload"`
		Options []string `json:"options"`
		Next    string   `json:"next_enqueue_at"`
		Last    string   `json:"prev_enqueue_at,omitempty"`
	}

	list, err := d.Cron.List(r.Context())
	if err != nil {
		d.writeUnavailable(w, r, err)

		return
	}

	entries := make([]entry, len(list))

	for i, s := range list {
		entries[i] = entry{
			ID: s.Name, Spec: s.Spec, Kind: s.Kind, Payload: s.Name, Options: []string{},
			Next: s.NextRun.UTC().Format(time.RFC3339),
		}

		if s.LastRun != nil {
			entries[i].Last = s.LastRun.UTC().Format(time.RFC3339)
		}
	}

	d.writeJSON(w, map[string]any{"entries": entries})
}

func (d *dashboard) writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the reader may have left
}

func (d *dashboard) writeUnavailable(w http.ResponseWriter, r *http.Request, err error) {
	d.Log.WarnContext(r.Context(), "dashboard request failed", slog.Any("error", err))
	writeProblem(w, http.StatusServiceUnavailable, "The database or Redis did not answer. Nothing is known to have changed; look again.")
}

// writeProblem answers in the form of RFC 9457.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)

	_ = json.NewEncoder(w).Encode(map[string]any{ // the reader may have left
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail,
	})
}

// shared has asynqmon use our client, with our timeouts, instead of one of its own.
type shared struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (s shared) MakeRedisClient() any { return s.client }
