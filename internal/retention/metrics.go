package retention

import "github.com/prometheus/client_golang/prometheus"

// The outcomes of a run.
const (
	outcomeDone   = "done"
	outcomeMore   = "more"
	outcomeFailed = "failed"
)

// metrics count what is purged. Labels are names of classes and outcomes.
type metrics struct {
	runs   *prometheus.CounterVec
	purged *prometheus.CounterVec
}

// newMetrics returns metrics in which every class is there from the beginning, so that one that never ran is seen.
func newMetrics(classes []Class) *metrics {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_retention_runs_total", Help: "Purges of a class, by class and outcome: done, more is left, or failed.",
		}, []string{"class", "outcome"}),
		purged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_retention_purged_total", Help: "What was deleted because its time was over, by class: rows, or users where these are taken one by one.",
		}, []string{"class"}),
	}

	for _, c := range classes {
		if c.Purge == nil {
			continue
		}

		m.purged.WithLabelValues(c.Name)

		for _, outcome := range []string{outcomeDone, outcomeMore, outcomeFailed} {
			m.runs.WithLabelValues(c.Name, outcome)
		}
	}

	return m
}

// Collectors are what the process registers.
func (p *Purger) Collectors() []prometheus.Collector {
	return []prometheus.Collector{p.metrics.runs, p.metrics.purged}
}

func (m *metrics) countRun(class string, more bool, err error) {
	outcome := outcomeDone

	switch {
	case err != nil:
		outcome = outcomeFailed
	case more:
		outcome = outcomeMore
	}

	m.runs.WithLabelValues(class, outcome).Inc()
}

func (m *metrics) countPurged(class string, n int) { m.purged.WithLabelValues(class).Add(float64(n)) }
