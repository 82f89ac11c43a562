package generation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/generation/db"
	"imagerun/internal/providers"
	"imagerun/internal/telemetry"
)

// Metrics count what happens to generations. Labels are models, statuses, codes and methods.
type Metrics struct {
	accepted       *prometheus.CounterVec
	finished       *prometheus.CounterVec
	waited         *prometheus.HistogramVec
	took           *prometheus.HistogramVec
	calls          *prometheus.CounterVec
	accountBlocked prometheus.Gauge
	breakerOpen    *prometheus.GaugeVec
}

func newMetrics() *Metrics {
	buckets := []float64{0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800}

	return &Metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_generations_accepted_total", Help: "Generations accepted, by model.",
		}, []string{"model"}),
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_generations_finished_total", Help: "Generations that ended, by model, status and failure code.",
		}, []string{"model", "status", "code"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imagerun_generation_wait_seconds", Help: "From submit to the hand-over to the provider.", Buckets: buckets,
		}, []string{"model"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imagerun_generation_duration_seconds", Help: "From submit to the end.", Buckets: buckets,
		}, []string{"model", "status"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_provider_calls_total", Help: "Calls of the provider, by method and outcome.",
		}, []string{"method", "outcome"}),
		accountBlocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imagerun_provider_account_blocked", Help: "1 while the provider refuses our key or balance.",
		}),
		breakerOpen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imagerun_model_breaker_open", Help: "1 while a model fails in a row and is left alone.",
		}, []string{"model"}),
	}
}

// Collectors are what the process registers.
func (s *Service) Collectors() []prometheus.Collector {
	m := s.metrics

	return []prometheus.Collector{m.accepted, m.finished, m.waited, m.took, m.calls, m.accountBlocked, m.breakerOpen}
}

func (m *Metrics) changed(was, to Status, model string, code FailureCode, created time.Time, now time.Time) {
	age := now.Sub(created).Seconds()

	if was == StatusQueued && to == StatusSubmitting {
		m.waited.WithLabelValues(model).Observe(age)
	}

	if to.Terminal() {
		m.finished.WithLabelValues(model, string(to), string(code)).Inc()
		m.took.WithLabelValues(model, string(to)).Observe(age)
	}
}

func (m *Metrics) call(method string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(providers.ClassOf(err))
	}

	m.calls.WithLabelValues(method, outcome).Inc()
}

var (
	comparedDesc = prometheus.NewDesc("imagerun_provider_bills_compared_timestamp_seconds",
		"When what the provider billed was last compared with our attempts. Absent: it never was.", nil, nil)
	differencesDesc = prometheus.NewDesc("imagerun_provider_bill_differences",
		"What the last day's comparison found that is not as it should be.", []string{"kind"}, nil)
	costDesc = prometheus.NewDesc("imagerun_model_cost_usd",
		"What the provider charged for attempts whose bills the last day's comparison found.", []string{"model"}, nil)
	revenueDesc = prometheus.NewDesc("imagerun_model_revenue_usd",
		"What was captured for the images of the same attempts. Absent: nobody has said what a credit is worth.", []string{"model"}, nil)
)

// BillCollector returns what the comparison of bills found as metrics. A credit is worth so many US dollars; zero: nobody
// knows, and what was earned is left out. One process, a scheduler, has them: they are the same everywhere. While Postgres
// is away they are absent.
func BillCollector(pool *pgxpool.Pool, log *slog.Logger, credit float64) prometheus.Collector {
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
