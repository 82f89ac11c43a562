package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout is how long a scrape may ask.
const scrapeTimeout = 2 * time.Second

// Scrape is a collector that asks, Postgres as a rule, when it is scraped, for two seconds at most. What could not be
// found out is absent, which an alert can tell from zero.
type Scrape struct {
	// Descs are of all that Read may set.
	Descs []*prometheus.Desc
	// Read finds the values out, and logs what it could not.
	Read func(ctx context.Context, set SetGauge)
}

// SetGauge has a scrape answer with a value.
type SetGauge func(desc *prometheus.Desc, value float64, labels ...string)

// Describe implements prometheus.Collector.
func (s Scrape) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.Descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s Scrape) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()

	s.Read(ctx, func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	})
}
