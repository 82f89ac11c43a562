package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

var (
	finishedDesc = prometheus.NewDesc("imagerun_sweep_finished_timestamp_seconds",
		"When the last sweep of the bucket came to its end. Absent: none has.", nil, nil)
	seenDesc = prometheus.NewDesc("imagerun_sweep_seen",
		"How many objects, and keys in the tables, the last sweep compared.", []string{"side"}, nil)
	foundDesc = prometheus.NewDesc("imagerun_sweep_found",
		"What the last sweep found that was not as it should be.", []string{"finding"}, nil)
	leftDesc = prometheus.NewDesc("imagerun_sweep_left",
		"What the last sweep should have removed and could not.", []string{"finding"}, nil)
)

// collector reads the last report when it is scraped.
type collector struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

// Collector returns the last sweep's report as metrics. One process, a scheduler, has them: they
// are the same everywhere. While Postgres is away they are absent.
func Collector(pool *pgxpool.Pool, log *slog.Logger) prometheus.Collector {
	return collector{pool, log}
}

// Collectors are none: what a sweep has found is the same everywhere, and [Collector]'s.
func (h *Handler) Collectors() []prometheus.Collector { return nil }

// Describe implements prometheus.Collector.
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{finishedDesc, seenDesc, foundDesc, leftDesc} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()

	r, ok, err := Last(ctx, c.pool)
	if err != nil {
		c.log.WarnContext(ctx, "the last sweep was not read", slog.Any("error", err))
	}

	if err != nil || !ok {
		return
	}

	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}

	gauge(finishedDesc, float64(r.FinishedAt.UnixMilli())/1000)
	gauge(seenDesc, float64(r.Objects), "object")
	gauge(seenDesc, float64(r.Records), "record")

	for what, n := range map[What]int64{
		Orphan: r.Orphans, Young: r.Young, Foreign: r.Foreign, Lost: r.Lost, Back: r.Back, Leftover: r.Leftovers,
	} {
		gauge(foundDesc, float64(n), string(what))
	}

	gauge(leftDesc, float64(r.NotDeleted), string(Orphan))
	gauge(leftDesc, float64(r.Leftovers-r.Aborted), string(Leftover))
}
