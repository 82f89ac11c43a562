package bills

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/generation/db"
	"imagerun/internal/telemetry"
)

var (
	comparedDesc = prometheus.NewDesc("imagerun_provider_bills_compared_timestamp_seconds",
		"When what the provider billed was last compared with our attempts. Absent: it never was.", nil, nil)
	differencesDesc = prometheus.NewDesc("imagerun_provider_bill_differences",
		"What the last day's comparison found that is not as it should be.", []string{"kind"}, nil)
	costDesc = prometheus.NewDesc("imagerun_model_cost_usd",
		"What the provider charged for attempts whose bills the last day's comparison found.", []string{"model"}, nil)
	revenueDesc = prometheus.NewDesc("imagerun_model_revenue_usd",
		"What was captured for the images of the same attempts. Absent: no value of a credit is set.", []string{"model"}, nil)
)

// Collector returns what the comparison of bills found as metrics. A credit is worth so many US dollars; zero: it is
// not known, and what was earned is left out. One process, a scheduler, has them: they are the same everywhere. While Postgres
// is away they are absent.
func Collector(pool *pgxpool.Pool, log *slog.Logger, credit float64) prometheus.Collector {
	return telemetry.Scrape{
		Descs: []*prometheus.Desc{comparedDesc, differencesDesc, costDesc, revenueDesc},
		Read:  func(ctx context.Context, set telemetry.SetGauge) { readLastBills(ctx, pool, log, credit, set) },
	}
}

func readLastBills(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger, credit float64, set telemetry.SetGauge) {
	var r billReport

	row, err := db.New().BillLast(ctx, pool, biller)
	if errors.Is(err, pgx.ErrNoRows) {
		return
	}

	if err == nil {
		err = json.Unmarshal(row.Report, &r)
	}

	if err != nil {
		log.WarnContext(ctx, "the last comparison of bills was not read", slog.Any("error", err))

		return
	}

	set(comparedDesc, float64(row.ComparedAt.UnixMilli())/1000)

	for kind, n := range r.Differences {
		set(differencesDesc, float64(n), kind)
	}

	for model, m := range r.Models {
		set(costDesc, float64(m.NanoUSD)/1e9, model)

		if credit > 0 {
			set(revenueDesc, float64(m.Credits)*credit, model)
		}
	}
}
