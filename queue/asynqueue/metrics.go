package asynqueue

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tasksDesc has the name and labels of asynq's own exporter, so that its panels work.
var tasksDesc = prometheus.NewDesc("asynq_tasks_enqueued_total",
	"Number of tasks in Redis, by queue and state.", []string{"queue", "state"}, nil)

// collector asks Redis when it is scraped.
type collector struct {
	pusher *Pusher
	queues []string
	log    *slog.Logger
}

// NewCollector returns the sizes of the given queues as metrics. While Redis is away they are
// absent, which an alert can tell from zero.
func NewCollector(p *Pusher, queues []string, log *slog.Logger) prometheus.Collector {
	return &collector{pusher: p, queues: queues, log: log}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) { descs <- tasksDesc }

// Collect implements prometheus.Collector.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()

	counts, err := c.pusher.Counts(ctx, c.queues)
	if err != nil { // of some queue; the others are told all the same
		c.log.WarnContext(ctx, "queues were not counted", slog.Any("error", err))
	}

	for _, n := range counts {
		metrics <- prometheus.MustNewConstMetric(tasksDesc, prometheus.GaugeValue, float64(n.N), n.Queue, n.State)
	}
}
