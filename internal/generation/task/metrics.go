package task

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

// metrics count what happens to generations. Labels are models, statuses, codes and methods.
type metrics struct {
	finished *prometheus.CounterVec
	waited   *prometheus.HistogramVec
	took     *prometheus.HistogramVec
	calls    *prometheus.CounterVec
}

func newMetrics() *metrics {
	buckets := []float64{0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800}

	return &metrics{
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
	}
}

// Collectors are what the process registers.
func (s *Tasks) Collectors() []prometheus.Collector {
	m := s.metrics

	return []prometheus.Collector{m.finished, m.waited, m.took, m.calls}
}

func (m *metrics) countChange(was, to generation.Status, model string, code generation.FailureCode, created time.Time, now time.Time) {
	age := now.Sub(created).Seconds()

	if was == generation.StatusQueued && to == generation.StatusSubmitting {
		m.waited.WithLabelValues(model).Observe(age)
	}

	if to.Terminal() {
		m.finished.WithLabelValues(model, string(to), string(code)).Inc()
		m.took.WithLabelValues(model, string(to)).Observe(age)
	}
}

// CountCall counts a call of the provider, by method and by what came of it.
func (s *Tasks) CountCall(method string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(providers.ClassOf(err))
	}

	s.metrics.calls.WithLabelValues(method, outcome).Inc()
}
