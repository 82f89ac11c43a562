package clock

import "github.com/prometheus/client_golang/prometheus"

type metrics struct{ skew prometheus.Gauge }

func newMetrics() metrics {
	return metrics{skew: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "imagerun_clock_skew_seconds", Help: "By how much the database's clock is ahead of this process's.",
	})}
}

// Collectors returns the metrics.
func (c *Corrected) Collectors() []prometheus.Collector {
	return []prometheus.Collector{c.metrics.skew}
}
