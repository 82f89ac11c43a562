package durable

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
	eventStuck      = "stuck"
	eventDeaf       = "deaf" // what eventStuck was called; counted beside it for a release
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

func (m *metrics) countEvent(kind, queue, event string) {
	m.events.WithLabelValues(kind, queue, event).Inc()
}

// Collectors returns the queue's metrics for a registry.
func (q *Queue) Collectors() []prometheus.Collector {
	return []prometheus.Collector{q.metrics.events, q.metrics.late, q.metrics.run, q.metrics.rebuilds}
}

var (
	jobsDesc = prometheus.NewDesc("queue_jobs",
		"Rows of the job table, by kind, queue and state.", []string{"kind", "queue", "state"}, nil)
	oldestDesc = prometheus.NewDesc("queue_oldest_job_seconds",
		"How long the most overdue live job has been due, running or not; zero: none is.", []string{"kind", "queue"}, nil)
)

// tableCollector asks Postgres when it is scraped.
type tableCollector struct{ q *Queue }

// TableCollector returns the sizes of the job table as metrics. One process, a scheduler, has
// them: they are the same everywhere. While Postgres is away they are absent.
func (q *Queue) TableCollector() prometheus.Collector { return tableCollector{q} }

// Describe implements prometheus.Collector.
func (c tableCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- jobsDesc
	descs <- oldestDesc
}

// Collect implements prometheus.Collector.
func (c tableCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()

	rows, err := c.q.db.JobCounts(ctx, c.q.pool)
	if err != nil {
		c.q.log.WarnContext(ctx, "jobs were not counted", slog.Any("error", err))

		return
	}

	type place struct{ kind, queue string }

	late, dead := map[place]float64{}, map[place]float64{}

	for _, p := range c.q.kinds.Policies() {
		at := place{p.Args.Kind(), p.Queue}
		late[at], dead[at] = 0, 0
	}

	for _, r := range rows {
		at := place{r.Kind, r.Queue}

		if r.State == stateDead {
			dead[at] = float64(r.Jobs)

			continue
		}

		late[at] = max(late[at], r.Late)
		out <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(r.Jobs), r.Kind, r.Queue, r.State)
	}

	for at, seconds := range late {
		out <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, seconds, at.kind, at.queue)
	}

	for at, n := range dead {
		out <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, n, at.kind, at.queue, stateDead)
	}
}
