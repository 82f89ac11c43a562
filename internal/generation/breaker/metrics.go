package breaker

import "github.com/prometheus/client_golang/prometheus"

// openGauge has a 1 for each model that is open.
type openGauge struct{ *prometheus.GaugeVec }

func newOpenGauge() *openGauge {
	return &openGauge{prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "imagerun_model_breaker_open", Help: "1 while the breaker of a model that fails in a row is open.",
	}, []string{"model"})}
}

// Collectors are what the process registers.
func (b *Models) Collectors() []prometheus.Collector { return []prometheus.Collector{b.gauge} }
