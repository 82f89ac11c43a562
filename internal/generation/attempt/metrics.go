package attempt

import "github.com/prometheus/client_golang/prometheus"

// metrics say how we stand with the provider.
type metrics struct{ accountBlocked prometheus.Gauge }

func newMetrics() *metrics {
	return &metrics{accountBlocked: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "imagerun_provider_account_blocked", Help: "1 while the provider refuses our key or balance.",
	})}
}

// Collectors are what the process registers.
func (s *Attempts) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.accountBlocked}
}
