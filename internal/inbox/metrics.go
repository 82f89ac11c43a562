package inbox

import (
	"context"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/inbox/db"
	"imagerun/internal/telemetry"
)

// The outcomes of what arrived.
const (
	outcomeKept     = "kept"
	outcomeRepeated = "repeated"
	outcomeForged   = "forged"
	outcomeRefused  = "refused"
	outcomeFailed   = "failed"
)

// otherType stands for every type that a source does not document: what a vendor makes up is no label.
const otherType = "other"

// metrics count events. Labels are names of sources, of their types and of outcomes.
type metrics struct {
	received *prometheus.CounterVec
	ended    *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_inbox_received_total",
			Help: "Webhooks that arrived, by source, type (other: one that is not documented; empty: it was not verified) and outcome: " +
				"kept, repeated, forged, refused for another reason, or failed by our fault.",
		}, []string{"source", "type", "outcome"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_inbox_ended_total", Help: "Events that ended, by source and state: worked, ignored or failed.",
		}, []string{"source", "state"}),
	}
}

// Collectors are what the process registers.
func (b *Inbox) Collectors() []prometheus.Collector {
	return []prometheus.Collector{b.metrics.received, b.metrics.ended}
}

func (m *metrics) countEnd(source, state string) { m.ended.WithLabelValues(source, state).Inc() }

// receipts count what arrives at one endpoint.
type receipts struct {
	metrics *metrics
	source  string
	types   []string
}

// beginReceipts begins to count at zero what alarms are about: a counter that appears with its first event has not risen, for who watches it.
func (m *metrics) beginReceipts(source string, types []string) receipts {
	m.received.WithLabelValues(source, "", outcomeForged)

	for _, t := range types {
		m.received.WithLabelValues(source, t, outcomeKept)
	}

	return receipts{metrics: m, source: source, types: types}
}

// count counts one; of no type, if it was not verified.
func (r receipts) count(eventType string, fresh bool, err error) {
	if eventType != "" && !slices.Contains(r.types, eventType) {
		eventType = otherType
	}

	r.metrics.received.WithLabelValues(r.source, eventType, outcomeOf(fresh, err)).Inc()
}

func outcomeOf(fresh bool, err error) string {
	switch {
	case err == nil && fresh:
		return outcomeKept
	case err == nil:
		return outcomeRepeated
	case fault.Of(err).Kind == fault.Unauthenticated:
		return outcomeForged
	case fault.Of(err).Kind == fault.Internal:
		return outcomeFailed
	default:
		return outcomeRefused
	}
}

var unworkedDesc = prometheus.NewDesc("imagerun_inbox_oldest_unworked_seconds",
	"How long the oldest event of a source waits to be worked; absent: none does.", []string{"source"}, nil)

// TableCollector returns what waits in the inbox as a metric. One process, a scheduler, has it: it is the same everywhere.
// While Postgres is away it is absent.
func TableCollector(pool *pgxpool.Pool, log *slog.Logger, now clock.Now) prometheus.Collector {
	c := collector{pool: pool, log: log, now: now, db: db.New()}

	return telemetry.Scrape{Descs: []*prometheus.Desc{unworkedDesc}, Read: c.readUnworked}
}

type collector struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	now  clock.Now
	db   *db.Queries
}

func (c collector) readUnworked(ctx context.Context, set telemetry.SetGauge) {
	waiting, err := c.db.EventsUnworked(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "events that wait in the inbox were not looked up", slog.Any("error", err))

		return
	}

	for _, w := range waiting {
		set(unworkedDesc, c.now().Sub(w.Oldest).Seconds(), w.Source)
	}
}
