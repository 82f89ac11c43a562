package reconcile

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/clock"
	"imagerun/internal/payments/db"
	"imagerun/internal/telemetry"
)

var (
	openDesc = prometheus.NewDesc("imagerun_payments_open_differences",
		"Differences between our books and the vendor's that wait for a person, by kind.", []string{"kind"}, nil)
	oldestDesc = prometheus.NewDesc("imagerun_payments_oldest_open_difference_seconds",
		"How long the oldest difference waits for a person; absent: none does.", nil, nil)
	readDesc = prometheus.NewDesc("imagerun_payments_list_read_timestamp_seconds",
		"When a list of the vendor's was last read to its end, by list; absent: never.", []string{"list"}, nil)
	handDesc = prometheus.NewDesc("imagerun_payments_refunds_by_hand",
		"Refunds that the vendor's API cannot make and a person must.", nil, nil)
)

// TableCollector returns how the comparison stands as metrics. One process, a scheduler, has them: they are the same
// everywhere. While Postgres is away they are absent.
func TableCollector(pool *pgxpool.Pool, log *slog.Logger, now clock.Now) prometheus.Collector {
	c := collector{pool: pool, log: log, now: now, db: db.New()}

	return telemetry.Scrape{Descs: []*prometheus.Desc{openDesc, oldestDesc, readDesc, handDesc}, Read: c.readTables}
}

type collector struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	now  clock.Now
	db   *db.Queries
}

func (c collector) readTables(ctx context.Context, set telemetry.SetGauge) {
	open, err := c.db.DifferencesOpen(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "differences of payments were not counted", slog.Any("error", err))

		return
	}

	oldest := c.now()

	for _, d := range open {
		set(openDesc, float64(d.Count), d.Kind)

		if d.Oldest.Before(oldest) {
			oldest = d.Oldest
		}
	}

	if len(open) > 0 {
		set(oldestDesc, c.now().Sub(oldest).Seconds())
	}

	scans, err := c.db.ScansRead(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "the reading of the vendor's lists was not looked up", slog.Any("error", err))

		return
	}

	for _, s := range scans {
		set(readDesc, float64(s.ReadAt.UnixMilli())/1000, s.Name)
	}

	byHand, err := c.db.RefundsByHand(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "refunds by hand were not counted", slog.Any("error", err))

		return
	}

	set(handDesc, float64(byHand))
}
