package ratelimit

import "github.com/prometheus/client_golang/prometheus"

// Who judged.
const (
	byRedis   = "redis"
	byProcess = "process"
)

// Metrics count decisions. Labels are policies and who judged.
type Metrics struct {
	checks  *prometheus.CounterVec
	refused *prometheus.CounterVec
}

// NewMetrics returns metrics at zero; register its Collectors once.
func NewMetrics() *Metrics {
	m := &Metrics{
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_rate_limit_checks_total",
			Help: "Requests judged by rate limits, by who counted: redis, or this process because Redis was away.",
		}, []string{"by"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_rate_limit_refusals_total",
			Help: "Requests refused by rate limits, by policy.",
		}, []string{"policy"}),
	}

	for _, by := range []string{byRedis, byProcess} {
		m.checks.WithLabelValues(by) // an alarm on a series that appears with its first event misses that
	}

	return m
}

// Collectors returns everything to register.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.checks, m.refused}
}

// countCheck counts one decision, and how many questions it refused.
func (m *Metrics) countCheck(by string, d Decision, refused int) {
	m.checks.WithLabelValues(by).Inc()

	for _, s := range d.Violated() {
		m.refused.WithLabelValues(s.Policy).Add(float64(refused))
	}
}
