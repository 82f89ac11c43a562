package generation

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/providers"
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
