package sweep

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/telemetry"
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

// Collector returns the last sweep's report as metrics. One process, a scheduler, has them: they
// are the same everywhere. While Postgres is away they are absent.
func Collector(pool *pgxpool.Pool, log *slog.Logger) prometheus.Collector {
	return telemetry.Scrape{
		Descs: []*prometheus.Desc{finishedDesc, seenDesc, foundDesc, leftDesc},
		Read:  func(ctx context.Context, set telemetry.SetGauge) { readLastReport(ctx, pool, log, set) },
	}
}

// Collectors are none: what a sweep has found is the same everywhere, and [Collector]'s.
func (h *Handler) Collectors() []prometheus.Collector { return nil }

func readLastReport(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger, set telemetry.SetGauge) {
	r, ok, err := Last(ctx, pool)
	if err != nil {
		log.WarnContext(ctx, "report of the last sweep not read", slog.Any("error", err))
	}

	if err != nil || !ok {
		return
	}

	set(finishedDesc, float64(r.FinishedAt.UnixMilli())/1000)
	set(seenDesc, float64(r.Objects), "object")
	set(seenDesc, float64(r.Records), "record")

	for what, n := range map[What]int64{
		Orphan: r.Orphans, Young: r.Young, Foreign: r.Foreign, Lost: r.Lost, Back: r.Back, IncompleteMultipart: r.IncompleteMultiparts,
	} {
		set(foundDesc, float64(n), string(what))
	}

	set(leftDesc, float64(r.NotDeleted), string(Orphan))
	set(leftDesc, float64(r.IncompleteMultiparts-r.Aborted), string(IncompleteMultipart))
}
