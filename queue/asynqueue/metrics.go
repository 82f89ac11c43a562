package asynqueue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/internal/logthrottle"
)

const (
	scrapeTimeout = 2 * time.Second
	memoryEvery   = 30 * time.Second // Redis walks what it measures, and serves no other client meanwhile
)

// The names, types and labels are those of asynq's own exporter (its x/metrics), so that panels
// made for that work.
type descs struct{ tasks, size, latency, memory, processed, failed, paused *prometheus.Desc }

func newDescs() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"queue"}, labels...), nil)
	}

	return descs{
		tasks:     desc("asynq_tasks_enqueued_total", "Number of tasks in Redis, by queue and state.", "state"),
		size:      desc("asynq_queue_size", "Number of tasks in Redis, by queue."),
		latency:   desc("asynq_queue_latency_seconds", "How long the oldest pending task of a queue has been pending."),
		memory:    desc("asynq_queue_memory_usage_approx_bytes", "Memory of Redis that a queue takes, from a sample of its tasks."),
		processed: desc("asynq_tasks_processed_total", "Number of tasks that workers have answered for, by queue."),
		failed:    desc("asynq_tasks_failed_total", "Number of tasks that workers have failed, by queue."),
		paused:    desc("asynq_queue_paused_total", "1 while asynq does not work the queue, else 0."),
	}
}

// collector asks Redis when it is scraped.
type collector struct {
	client redis.UniversalClient
	queues []string
	log    *slog.Logger
	descs  descs

	throttle logthrottle.Throttle

	mu     sync.Mutex
	memory map[string]memoryUsage
}

// memoryUsage is what a queue was found to take.
type memoryUsage struct {
	bytes float64
	at    time.Time
}

// NewCollector returns what Redis has of the given queues as metrics. One kind of process, the
// schedulers, should have it: it says the same everywhere. A scrape asks Redis once for each queue
// and takes two seconds at most; memory is measured twice a minute at most. A queue that does not
// answer is absent, which an alert can tell from zero, and the others are there.
func NewCollector(p *Pusher, queues []string, log *slog.Logger) prometheus.Collector {
	return &collector{client: p.client, queues: queues, log: log, descs: newDescs(), memory: map[string]memoryUsage{}}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	d := c.descs
	for _, desc := range []*prometheus.Desc{d.tasks, d.size, d.latency, d.memory, d.processed, d.failed, d.paused} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()

	var wg sync.WaitGroup

	for _, q := range c.queues {
		wg.Go(func() { c.collectQueue(ctx, q, out) })
	}

	wg.Wait()
}

// states are asynq's, in the order in which the script below answers.
var states = [...]string{"pending", "active", "scheduled", "retry", "archived", "completed"}

// measureScript answers with the number of tasks in each state, how many were processed, how many
// failed, whether the queue is paused, and since when the oldest task is pending, in
// nanoseconds. That is a text: Lua's numbers are too coarse for it.
var measureScript = redis.NewScript(`
local res = {}
for i = 1, 2 do res[i] = redis.call("LLEN", KEYS[i]) end
for i = 3, 6 do res[i] = redis.call("ZCARD", KEYS[i]) end
for i = 7, 8 do res[i] = tonumber(redis.call("GET", KEYS[i]) or 0) end
res[9] = redis.call("EXISTS", KEYS[9])
res[10] = ""
local oldest = redis.call("LINDEX", KEYS[1], -1)
if oldest then res[10] = redis.call("HGET", ARGV[1] .. oldest, "pending_since") or "" end
return res`)

func (c *collector) collectQueue(ctx context.Context, queue string, out chan<- prometheus.Metric) {
	var keys []string
	for _, what := range append(states[:], "processed", "failed", "paused") {
		keys = append(keys, queueKey(queue, what))
	}

	reply, err := measureScript.Run(ctx, c.client, keys, queueKey(queue, "t:")).Slice()

	found, ok := parseMeasures(reply)
	if err == nil && !ok {
		err = errors.New("redis answered something else")
	}

	if err != nil {
		c.warnThrottled(ctx, queue, err)

		return
	}

	tell := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, append([]string{queue}, labels...)...)
	}

	size := 0.0

	for i, state := range states {
		size += found[i]
		tell(c.descs.tasks, prometheus.GaugeValue, found[i], state)
	}

	tell(c.descs.size, prometheus.GaugeValue, size)
	tell(c.descs.processed, prometheus.CounterValue, found[6])
	tell(c.descs.failed, prometheus.CounterValue, found[7])
	tell(c.descs.paused, prometheus.GaugeValue, found[8])

	latency := 0.0
	if since := found[9]; since > 0 {
		latency = max(0, time.Since(time.Unix(0, int64(since))).Seconds())
	}

	tell(c.descs.latency, prometheus.GaugeValue, latency)

	bytes, err := c.measureMemory(ctx, queue)
	if err != nil {
		c.warnThrottled(ctx, queue, err)

		return
	}

	tell(c.descs.memory, prometheus.GaugeValue, bytes)
}

func (c *collector) warnThrottled(ctx context.Context, queue string, err error) {
	c.throttle.Warn(ctx, c.log, "queue was not measured", slog.String("queue", queue), slog.Any("error", err))
}
