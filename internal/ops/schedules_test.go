package ops_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/ops"
	"imagerun/queue/durable"
)

// schedules serves the page of a list.
func schedules(list func(context.Context) ([]durable.Scheduled, error)) http.Handler {
	h, _ := setup(func(o *ops.Options) {
		o.Pages = []ops.Page{{Path: "/schedules", Title: "Schedules", Handler: ops.NewSchedulesPage(list, slog.New(slog.DiscardHandler))}}
	})

	return h
}

func TestSchedulesPage(t *testing.T) {
	t.Parallel()

	last := time.Date(2026, 3, 1, 3, 41, 0, 0, time.FixedZone("", 3600))
	h := schedules(func(context.Context) ([]durable.Scheduled, error) {
		return []durable.Scheduled{
			{Name: "retention.daily", Spec: "41 3 * * *", Kind: "retention.daily", LastRun: &last, LastState: "dead", LastError: "<code>", NextRun: time.Now().Add(time.Hour)},
			{Name: "credits.audit", Spec: "53 4 * * *", Kind: "credits.audit", NextRun: time.Now().Add(-time.Minute)},
		}, nil
	})

	w := ask(h, http.MethodGet, "/schedules/", nil)
	body := w.Body.String()

	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Contains(t, body, "<td>2026-03-01 02:41:00</td>", "in UTC")
	require.Contains(t, body, "<td>dead: &lt;code&gt;</td>")
	require.Contains(t, body, "<td>never</td>")
	require.Contains(t, body, "overdue: does a scheduler run?")
	require.NotContains(t, body, "<script")

	require.Contains(t, ask(h, http.MethodGet, "/", nil).Body.String(), `href="/schedules/"`)
	require.Equal(t, http.StatusUnauthorized, ask(h, http.MethodGet, "/schedules/", anonymous).Code)
	require.Equal(t, http.StatusNotFound, ask(h, http.MethodGet, "/schedules/x", nil).Code)
	require.Equal(t, http.StatusMethodNotAllowed, ask(h, http.MethodPost, "/schedules/", nil).Code)
}

func TestSchedulesPage_SaysThatItCannotRead(t *testing.T) {
	t.Parallel()

	h := schedules(func(context.Context) ([]durable.Scheduled, error) { return nil, errors.New("postgres is <away>") })

	w := ask(h, http.MethodGet, "/schedules/", nil)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "away")
}
