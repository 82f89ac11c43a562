package upload

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what becomes of uploads.
type Metrics struct {
	inspected *prometheus.CounterVec
	purged    prometheus.Counter
}

func newMetrics() *Metrics {
	return &Metrics{
		inspected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_uploads_inspected_total", Help: "Uploads that were inspected, by outcome: ready, or the reason to reject it.",
		}, []string{"outcome"}),
		purged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "imagerun_uploads_purged_total", Help: "Uploads that were purged because they were not finished, needed or used.",
		}),
	}
}

// Collectors returns the metrics for registration.
func (s *Service) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.inspected, s.metrics.purged}
}
