package credits

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/cache"
	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
	"imagerun/internal/telemetry"
	"imagerun/queue"
)

// metrics count what is booked.
type metrics struct {
	booked *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "imagerun_credits_booked_total",
		Help: "Credits moved by entries that were committed, by the entry's kind and the source of its grant (empty: of several, or none).",
	}, []string{"kind", "source"})}
}

// Collectors are what the process registers. What is booked in a transaction that is no
// [queue.AfterCommitter] is not counted.
func (l *Ledger) Collectors() []prometheus.Collector { return []prometheus.Collector{l.metrics.booked} }

// Collectors are those of the ledger.
func (j *Jobs) Collectors() []prometheus.Collector { return j.ledger.Collectors() }

// countBooked has what is about to be committed counted once it is.
func (lt *ledgerTx) countBooked() {
	moved := map[int64]int64{} // by sequence; what comes in on one side of an entry is what moves
	for i, sequence := range lt.params.PostingSequences {
		moved[sequence] += max(0, lt.params.Amounts[i])
	}

	queue.AfterCommit(lt.tx, func() {
		for i, sequence := range lt.params.Sequences {
			lt.metrics.booked.WithLabelValues(lt.params.Kinds[i], lt.params.Sources[i]).Add(float64(moved[sequence]))
		}
	})
}

var (
	lateDesc = prometheus.NewDesc("imagerun_credit_holds_overdue",
		"Holds that are open although their time is over.", nil, nil)
	latestDesc = prometheus.NewDesc("imagerun_credit_hold_overdue_seconds",
		"For how long the time of the most overdue hold has been over; zero: there is none.", nil, nil)
	owedDesc = prometheus.NewDesc("imagerun_credits_outstanding",
		"Credits of all users together: available and held are owed to people, debt is owed by them. Minutes old.", []string{"part"}, nil)
	auditedDesc = prometheus.NewDesc("imagerun_credit_audit_timestamp_seconds",
		"When the whole ledger was last audited. Absent: it never was.", nil, nil)
	breachesDesc = prometheus.NewDesc("imagerun_credit_audit_breaches",
		"How much the last audit found that was not in order.", nil, nil)
)

// owedEvery is how long a sum over all users is good enough.
const owedEvery = 5 * time.Minute

// collector asks Postgres when it is scraped.
type collector struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	now  clock.Now
	db   *db.Queries
	owed cache.Value[db.OwedRow]
}

// TableCollector returns what the ledger comes to as metrics. One process, a scheduler, has them:
// they are the same everywhere. While Postgres is away they are absent.
func TableCollector(pool *pgxpool.Pool, log *slog.Logger, now clock.Now) prometheus.Collector {
	c := &collector{pool: pool, log: log, now: now, db: db.New()}
	c.owed = cache.Value[db.OwedRow]{
		Load: func(ctx context.Context) (db.OwedRow, error) { return c.db.Owed(ctx, pool) },
		Now:  now, Fresh: owedEvery, Stale: owedEvery,
	}

	return telemetry.Scrape{Descs: []*prometheus.Desc{lateDesc, latestDesc, owedDesc, auditedDesc, breachesDesc}, Read: c.readTables}
}

func (c *collector) readTables(ctx context.Context, set telemetry.SetGauge) {
	now := c.now()

	late, err := c.db.HoldsLate(ctx, c.pool, now)
	if err != nil {
		c.log.WarnContext(ctx, "overdue holds were not counted", slog.Any("error", err))
	} else {
		set(lateDesc, float64(late.Holds))
		set(latestDesc, now.Sub(late.First).Seconds())
	}

	owed, err := c.owed.Get(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "outstanding credits were not added up", slog.Any("error", err))
	} else {
		set(owedDesc, float64(owed.Available), "available")
		set(owedDesc, float64(owed.Held), "held")
		set(owedDesc, float64(owed.Debt), "debt")
	}

	last, err := c.db.AuditLast(ctx, c.pool)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		c.log.WarnContext(ctx, "the last audit was not read", slog.Any("error", err))
	default:
		set(auditedDesc, float64(last.At.UnixMilli())/1000)
		set(breachesDesc, float64(last.Breaches))
	}
}
