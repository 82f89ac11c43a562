package intake

import "github.com/prometheus/client_golang/prometheus"

// metrics count what is accepted.
type metrics struct{ accepted *prometheus.CounterVec }

func newMetrics() *metrics {
	return &metrics{accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "imagerun_generations_accepted_total", Help: "Generations accepted, by model.",
	}, []string{"model"})}
}

// Collectors are what the process registers.
func (s *Intake) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.accepted}
}
