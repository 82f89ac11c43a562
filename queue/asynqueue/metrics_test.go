package asynqueue_test

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// asynqsNames are those of asynq's exporter, x/metrics in its repository.
var asynqsNames = []string{
	"asynq_queue_latency_seconds", "asynq_queue_memory_usage_approx_bytes", "asynq_queue_paused_total", "asynq_queue_size",
	"asynq_tasks_enqueued_total", "asynq_tasks_failed_total", "asynq_tasks_processed_total",
}

// gather returns what a scrape gets, by name and labels.
func gather(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()

	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(c))

	families, err := r.Gather()
	require.NoError(t, err)

	found := map[string]float64{}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}

			found[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}

	return found
}

func TestCollector(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})

	for range 40 {
		require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{push(uuid.New(), 1, 0)}))
	}

	require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{push(uuid.New(), 1, time.Hour)}))

	for key, value := range map[string]int{"processed": 12, "failed": 3, "paused": 1} {
		require.NoError(t, s.client.Set(t.Context(), "asynq:{tests}:"+key, value, 0).Err())
	}

	c := asynqueue.NewCollector(s.pusher, []string{"tests", "other"}, slog.New(slog.DiscardHandler))
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP asynq_queue_paused_total 1 while asynq does not work the queue, else 0.
# TYPE asynq_queue_paused_total gauge
asynq_queue_paused_total{queue="other"} 0
asynq_queue_paused_total{queue="tests"} 1
# HELP asynq_queue_size Number of tasks in Redis, by queue.
# TYPE asynq_queue_size gauge
asynq_queue_size{queue="other"} 0
asynq_queue_size{queue="tests"} 41
# HELP asynq_tasks_enqueued_total Number of tasks in Redis, by queue and state.
# TYPE asynq_tasks_enqueued_total gauge
asynq_tasks_enqueued_total{queue="other",state="active"} 0
asynq_tasks_enqueued_total{queue="other",state="archived"} 0
asynq_tasks_enqueued_total{queue="other",state="completed"} 0
asynq_tasks_enqueued_total{queue="other",state="pending"} 0
asynq_tasks_enqueued_total{queue="other",state="retry"} 0
asynq_tasks_enqueued_total{queue="other",state="scheduled"} 0
asynq_tasks_enqueued_total{queue="tests",state="active"} 0
asynq_tasks_enqueued_total{queue="tests",state="archived"} 0
asynq_tasks_enqueued_total{queue="tests",state="completed"} 0
asynq_tasks_enqueued_total{queue="tests",state="pending"} 40
asynq_tasks_enqueued_total{queue="tests",state="retry"} 0
asynq_tasks_enqueued_total{queue="tests",state="scheduled"} 1
# HELP asynq_tasks_failed_total Number of tasks that workers have failed, by queue.
# TYPE asynq_tasks_failed_total counter
asynq_tasks_failed_total{queue="other"} 0
asynq_tasks_failed_total{queue="tests"} 3
# HELP asynq_tasks_processed_total Number of tasks that workers have answered for, by queue.
# TYPE asynq_tasks_processed_total counter
asynq_tasks_processed_total{queue="other"} 0
asynq_tasks_processed_total{queue="tests"} 12
`), slicesWithout(asynqsNames, "asynq_queue_latency_seconds", "asynq_queue_memory_usage_approx_bytes")...))

	s.eventually(5*time.Second, func() bool {
		late := gather(t, c)["asynq_queue_latency_seconds tests"]

		return late > 0.1 && late < 5
	})

	found := gather(t, c)
	require.Zero(t, found["asynq_queue_memory_usage_approx_bytes other"])
	require.Zero(t, found["asynq_queue_latency_seconds other"])

	// What asynq itself says, which samples more of the tasks, of a queue that it has heard of.
	_, err := s.pusher.BumpLossMarker(t.Context(), []string{"tests"})
	require.NoError(t, err)

	info, err := asynq.NewInspectorFromRedisClient(s.client).GetQueueInfo("tests")
	require.NoError(t, err)
	require.Equal(t, 41, info.Size)
	require.InEpsilon(t, info.MemoryUsage, found["asynq_queue_memory_usage_approx_bytes tests"], 0.05)
	require.InDelta(t, info.Latency.Seconds(), found["asynq_queue_latency_seconds tests"], 1)
}

func slicesWithout(all []string, some ...string) (rest []string) {
	for _, s := range all {
		if !strings.Contains(strings.Join(some, " "), s) {
			rest = append(rest, s)
		}
	}

	return rest
}

// TestCollector_OneFailingQueueBlanksNothing has a queue whose keys are not what they should be, and
// one that lists a task which is gone: asynq's exporter has nothing at all to say then.
func TestCollector_OneFailingQueueBlanksNothing(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	p := push(uuid.New(), 1, 0)

	require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{p}))
	require.NoError(t, s.client.Del(t.Context(), "asynq:{tests}:t:"+p.Name()).Err())
	require.NoError(t, s.client.Set(t.Context(), "asynq:{bad}:pending", "x", 0).Err())

	var log bytes.Buffer

	c := asynqueue.NewCollector(s.pusher, []string{"bad", "tests", "third"}, slog.New(slog.NewTextHandler(&log, nil)))

	for range 3 {
		found := gather(t, c)
		require.Contains(t, found, "asynq_queue_size third")
		require.InDelta(t, 1, found["asynq_queue_size tests"], 0)
		require.Contains(t, found, "asynq_queue_memory_usage_approx_bytes tests")
		require.Zero(t, found["asynq_queue_latency_seconds tests"], "since when is lost with the task")
		require.NotContains(t, found, "asynq_queue_size bad")
		require.Len(t, found, 2*12)
	}

	require.Equal(t, 1, strings.Count(log.String(), "queue was not measured"), log.String())
}

// TestCollector_HungRedis bounds a scrape by two seconds.
func TestCollector_HungRedis(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})
	c := asynqueue.NewCollector(s.pusher, []string{"a", "b", "c", "d"}, slog.New(slog.DiscardHandler))
	require.Len(t, gather(t, c), 4*12)
	own.Pause()

	at := time.Now()

	require.Empty(t, gather(t, c))
	require.Less(t, time.Since(at), devtest.Patience(3*time.Second))
	own.Continue()
	s.eventually(10*time.Second, func() bool { return len(gather(t, c)) == 4*12 })
}

// TestCollector_IsCheap counts what a scrape asks of a Redis with many tasks.
func TestCollector_IsCheap(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})

	for range 500 {
		require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{push(uuid.New(), 1, 0)}))
	}

	c := asynqueue.NewCollector(s.pusher, []string{"tests"}, slog.New(slog.DiscardHandler))
	gather(t, c)
	gather(t, c)

	admin := redis.NewClient(&redis.Options{Addr: own.Addr})
	defer admin.Close()

	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())

	const scrapes = 50

	for range scrapes {
		gather(t, c)
	}

	info, err := admin.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)

	calls := func(command string) int {
		_, rest, _ := strings.Cut(info, "cmdstat_"+command+":calls=")
		n, _, _ := strings.Cut(rest, ",")
		k, _ := strconv.Atoi(n)

		return k
	}

	require.Equal(t, scrapes, calls("evalsha"), info)
	require.Zero(t, calls("memory|usage"), "measured twice a minute at most")
}
