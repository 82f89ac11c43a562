package inbox_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/inbox"
)

// A type is a label only where the source documents it, and only once the event was verified.
func TestMetrics_Received(t *testing.T) {
	t.Parallel()

	b := setup(t)
	require.NoError(t, testutil.CollectAndCompare(b.Collectors()[0], strings.NewReader(receivedHelp+`
imagerun_inbox_received_total{outcome="forged",source="fake",type=""} 0
imagerun_inbox_received_total{outcome="kept",source="fake",type="number.added"} 0
`)), "what alarms are about begins at zero")

	b.send(t, "evt_1", "number.added")
	b.send(t, "evt_1", "number.added")
	b.send(t, "evt_2", "something.new")
	b.send(t, "evt_3", "something.newer")
	b.send(t, "", "number.added")
	b.post(t, strings.NewReader(string(bodyOf("evt_4", "number.added"))), "forged")
	b.post(t, strings.NewReader("{"), b.vendor.sign([]byte("{")))

	require.NoError(t, testutil.CollectAndCompare(b.Collectors()[0], strings.NewReader(receivedHelp+`
imagerun_inbox_received_total{outcome="forged",source="fake",type=""} 1
imagerun_inbox_received_total{outcome="kept",source="fake",type="number.added"} 1
imagerun_inbox_received_total{outcome="kept",source="fake",type="other"} 2
imagerun_inbox_received_total{outcome="refused",source="fake",type=""} 1
imagerun_inbox_received_total{outcome="refused",source="fake",type="number.added"} 1
imagerun_inbox_received_total{outcome="repeated",source="fake",type="number.added"} 1
`)))
}

const receivedHelp = `
# HELP imagerun_inbox_received_total Webhooks that arrived, by source, type (other: one that is not documented; empty: it was not verified) and outcome: kept, repeated, forged, refused for another reason, or failed by our fault.
# TYPE imagerun_inbox_received_total counter`

func TestTableCollector(t *testing.T) {
	t.Parallel()

	app, _, owner := devtest.PostgresURLs(t)
	b := setupOn(t, devtest.Pool(t, app), devtest.Pool(t, owner))
	scheduler := devtest.Pool(t, devtest.As(t, app, "scheduler"))
	c := inbox.TableCollector(scheduler, slog.New(slog.DiscardHandler), func() time.Time { return clock.System().Add(time.Hour) })

	require.Zero(t, testutil.CollectAndCount(c), "nothing waits")

	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"))
	require.Equal(t, 1, testutil.CollectAndCount(c))
	require.InDelta(t, time.Hour.Seconds(), testutil.ToFloat64(c), 60)

	// It is tried again, and waits meanwhile; what has ended waits no longer, however it ended.
	b.handle = func(context.Context, pgx.Tx, inbox.Event) error { return errors.New("it broke") }
	b.jobs.RunAll(t.Context())
	require.Equal(t, 1, testutil.CollectAndCount(c))

	b.handle = nil
	b.jobs.Advance(time.Minute)
	b.jobs.RunAll(t.Context())
	require.Zero(t, testutil.CollectAndCount(c))

	_, err := scheduler.Exec(t.Context(), `select event_id from inbox_event`)
	require.ErrorContains(t, err, "42501", "it sees that something waits, and not what")
}

// While Postgres is away there is nothing to see, and scraping goes on.
func TestTableCollector_PostgresIsAway(t *testing.T) {
	t.Parallel()

	pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none")
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	require.Zero(t, testutil.CollectAndCount(inbox.TableCollector(pool, slog.New(slog.DiscardHandler), clock.System)))
}
