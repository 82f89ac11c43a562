package inbox

import (
	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/fault"
)

// metrics count events. Labels are names of sources and outcomes.
type metrics struct {
	received *prometheus.CounterVec
	ended    *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_inbox_received_total", Help: "Webhooks that arrived, by source and outcome: kept, repeated, forged, refused for another reason, or failed by our fault.",
		}, []string{"source", "outcome"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_inbox_ended_total", Help: "Events that ended, by source and state: worked, ignored or failed.",
		}, []string{"source", "state"}),
	}
}

// Collectors are what the process registers.
func (b *Inbox) Collectors() []prometheus.Collector {
	return []prometheus.Collector{b.metrics.received, b.metrics.ended}
}

func (m *metrics) countReceipt(source string, fresh bool, err error) {
	outcome := "repeated"

	switch {
	case err == nil && fresh:
		outcome = "kept"
	case err == nil:
	case fault.Of(err).Kind == fault.Unauthenticated:
		outcome = "forged"
	case fault.Of(err).Kind == fault.Internal:
		outcome = "failed"
	default:
		outcome = "refused"
	}

	m.received.WithLabelValues(source, outcome).Inc()
}

func (m *metrics) countEnd(source, state string) { m.ended.WithLabelValues(source, state).Inc() }
