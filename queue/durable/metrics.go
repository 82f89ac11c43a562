package durable

import "github.com/prometheus/client_golang/prometheus"

// What happens to jobs, as the label "event" has it.
const (
	eventStaged     = "staged"
	eventPushed     = "pushed"
	eventPushFailed = "push_failed"
	eventStarted    = "started"
	eventDuplicate  = "duplicate"
	eventNoHandler  = "no_handler"
	eventDone       = "done"
	eventFailed     = "failed"
	eventSnoozed    = "snoozed"
	eventDead       = "dead"
	eventLost       = "lost"
	eventStale      = "stale"
	eventHandedBack = "handed_back"
	eventDeaf       = "deaf"
	eventReconciled = "reconciled"
)

// States of a row.
const (
	stateStaged   = "staged"
	stateRunning  = "running"
	stateRetrying = "retrying"
	stateDead     = "dead"
)

type metrics struct {
	events *prometheus.CounterVec
	late   *prometheus.HistogramVec
	run    *prometheus.HistogramVec

	rebuilds *prometheus.CounterVec
}

func newMetrics() *metrics {
	labels := []string{"kind", "queue"}

	return &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "queue_job_events_total",
			Help: "What happened to jobs, by kind, queue and event, as seen by this process.",
		}, append(labels, "event")),
		late: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "queue_start_latency_seconds",
			Help:    "Time from when a job was due until a worker had claimed it.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 12),
		}, labels),
		run: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "queue_run_seconds",
			Help:    "Time that handlers took, whatever came of it.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 10),
		}, labels),
		rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "queue_rebuilds_total",
			Help: "How often all tasks of a queue were pushed anew because Redis had lost them, or was new.",
		}, []string{"queue"}),
	}
}

func (m *metrics) count(kind, queue, event string) {
	m.events.WithLabelValues(kind, queue, event).Inc()
}

// Collectors returns the queue's metrics for a registry.
func (q *Queue) Collectors() []prometheus.Collector {
	return []prometheus.Collector{q.metrics.events, q.metrics.late, q.metrics.run, q.metrics.rebuilds}
}
