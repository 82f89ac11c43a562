package outbound

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are of the calls of all vendors in a process. A nil one counts nothing.
type Metrics struct {
	took        *prometheus.HistogramVec
	breakerOpen *prometheus.GaugeVec
}

// NewMetrics makes them. The process registers their Collectors and gives them to every vendor's client.
func NewMetrics() *Metrics {
	return &Metrics{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "imagerun_outbound_call_duration_seconds",
			Help:    "Calls of vendors, by vendor, operation and outcome: 2xx to 5xx, not_sent, may_have_happened.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120},
		}, []string{"vendor", "operation", "outcome"}),
		breakerOpen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imagerun_outbound_breaker_open", Help: "1 while the breaker of a vendor is open: its calls are refused.",
		}, []string{"vendor"}),
	}
}

// Collectors are what the process registers.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.took, m.breakerOpen}
}

func (m *Metrics) observeCall(vendor, operation, outcome string, took time.Duration) {
	if m != nil {
		m.took.WithLabelValues(vendor, operation, outcome).Observe(took.Seconds())
	}
}

func (m *Metrics) setBreakerOpen(vendor string, open bool) {
	if m == nil {
		return
	}

	value := 0.0
	if open {
		value = 1
	}

	m.breakerOpen.WithLabelValues(vendor).Set(value)
}

func outcomeOf(re Reply, err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Sent)
	}

	return strconv.Itoa(re.Status/100) + "xx"
}
