package ratelimit_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/ratelimit"
	"imagerun/queue/asynqueue"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// hourly is slow enough that nothing comes back during a test.
func hourly(policy string, quota int) ratelimit.Limit {
	return ratelimit.Limit{Policy: policy, Quota: quota, Window: time.Duration(quota) * time.Hour}
}

// process is a limiter, as each process has one.
type process struct {
	*ratelimit.Limiter

	client  redis.UniversalClient
	metrics *ratelimit.Metrics
	clock   *clocktest.Clock
}

// newProcess returns one that waits long for Redis, so that a busy machine is no outage.
func newProcess(t *testing.T, url string, edits ...func(*ratelimit.Options)) *process {
	t.Helper()

	client, err := asynqueue.Connect(url, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	p := &process{client: client, metrics: ratelimit.NewMetrics(), clock: clocktest.New()}
	o := ratelimit.Options{Timeout: 10 * time.Second, Metrics: p.metrics, Log: slog.New(slog.DiscardHandler), Now: p.clock.Now}

	for _, edit := range edits {
		edit(&o)
	}

	p.Limiter = ratelimit.New(client, o)

	return p
}

// impatient waits as long as production does, and a little.
func impatient(o *ratelimit.Options) { o.Timeout = 100 * time.Millisecond }

// by returns how many questions Redis judged, and how many this process.
func (p *process) by(t *testing.T, who string) int {
	t.Helper()

	return int(testutil.ToFloat64(p.metrics.Checks().WithLabelValues(who)))
}

// allowed asks n times and returns how often it was allowed.
func (p *process) allowed(ctx context.Context, n int, subject string, limits ...ratelimit.Limit) int {
	yes := 0

	for range n {
		if p.Allow(ctx, subject, limits...).Allowed {
			yes++
		}
	}

	return yes
}

func TestAllow_CountsTogether(t *testing.T) {
	t.Parallel()

	url := devtest.Redis(t)
	processes := []*process{newProcess(t, url), newProcess(t, url)}
	limit := hourly("requests", 40)

	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		yes int
	)

	for i := range 50 {
		wg.Go(func() {
			n := processes[i%2].allowed(t.Context(), 3, "ada", limit)

			mu.Lock()
			defer mu.Unlock()

			yes += n
		})
	}

	wg.Wait()
	require.Equal(t, 40, yes, "of 150 questions by 50 at once to two processes")
	require.Equal(t, 150, processes[0].by(t, "redis")+processes[1].by(t, "redis"))
	require.InDelta(t, 110, testutil.ToFloat64(processes[0].metrics.Refused().WithLabelValues("requests"))+
		testutil.ToFloat64(processes[1].metrics.Refused().WithLabelValues("requests")), 0)

	require.True(t, processes[0].Allow(t.Context(), "bob", limit).Allowed, "another subject")
	require.True(t, processes[0].Allow(t.Context(), "ada", hourly("submissions", 1)).Allowed, "another policy")

	part := limit
	part.Part = "key"
	require.True(t, processes[0].Allow(t.Context(), "ada", part).Allowed, "another part")
}

func TestAllow_RefusedByOneUsesUpNone(t *testing.T) {
	t.Parallel()

	p := newProcess(t, devtest.Redis(t))
	many, few := hourly("requests", 10), hourly("submissions", 2)

	require.Equal(t, 2, p.allowed(t.Context(), 5, "ada", many, few))

	d := p.Allow(t.Context(), "ada", many, few)
	require.False(t, d.Allowed)
	require.Len(t, d.Violated(), 1)
	require.Equal(t, "submissions", d.Violated()[0].Policy)
	require.Equal(t, 8, d.Standings[0].Remaining, "the other limit was not used up")
	require.InDelta(t, time.Hour, d.RetryAfter(), float64(time.Minute))

	require.Equal(t, 8, p.allowed(t.Context(), 20, "ada", many))
}

func TestAllow_ComesBack(t *testing.T) {
	t.Parallel()

	p := newProcess(t, devtest.Redis(t))
	limit := ratelimit.Limit{Policy: "requests", Quota: 4, Window: 2 * time.Second}

	d := p.Allow(t.Context(), "ada", limit)
	require.Equal(t, 3, d.Standings[0].Remaining)
	require.Equal(t, 500*time.Millisecond, d.Standings[0].Next)

	require.Eventually(t, func() bool { return !p.Allow(t.Context(), "ada", limit).Allowed }, 10*time.Second, time.Microsecond)

	d = p.Allow(t.Context(), "ada", limit)
	require.Positive(t, d.RetryAfter())
	require.LessOrEqual(t, d.RetryAfter(), 500*time.Millisecond)

	began := time.Now()

	require.Eventually(t, func() bool { return p.Allow(t.Context(), "ada", limit).Allowed }, 10*time.Second, time.Millisecond)
	require.Less(t, time.Since(began), 5*time.Second)
}

// What is in Redis: ids, and for no longer than it means anything.
func TestAllow_Keys(t *testing.T) {
	t.Parallel()

	p := newProcess(t, devtest.Redis(t))
	limit := ratelimit.Limit{Policy: "requests", Quota: 3, Window: time.Minute}
	part := limit
	part.Policy, part.Part = "key", "k1"

	p.Allow(t.Context(), "ada", limit, part)
	p.Allow(t.Context(), "ada", limit)

	keys, err := p.client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"imagerun:rate:{ada}:requests", "imagerun:rate:{ada}:key:k1"}, keys)

	for key, most := range map[string]time.Duration{"imagerun:rate:{ada}:requests": 40 * time.Second, "imagerun:rate:{ada}:key:k1": 20 * time.Second} {
		ttl, err := p.client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, ttl, most)
		require.Greater(t, ttl, most-10*time.Second)

		text, err := p.client.Get(t.Context(), key).Result()
		require.NoError(t, err)
		require.Regexp(t, `^\d{16}$`, text)
	}

	// A master with another clock has left a time of the far future.
	require.NoError(t, p.client.Set(t.Context(), "imagerun:rate:{ada}:requests", "9999999999999999", 0).Err())
	d := p.Allow(t.Context(), "ada", limit)
	require.False(t, d.Allowed)
	require.Equal(t, 20*time.Second, d.RetryAfter())
}

// What is given back is what was used, by Redis and by this process alone.
func TestReturn(t *testing.T) {
	t.Parallel()

	for name, url := range map[string]string{"Redis": devtest.Redis(t), "Process": "redis://127.0.0.1:1"} {
		p := newProcess(t, url)
		few, many := hourly("requests", 2), hourly("submissions", 5)

		p.Return(t.Context(), "ada", few, many) // nothing was used

		for range 4 {
			require.True(t, p.Allow(t.Context(), "ada", few, many).Allowed, name)
			p.Return(t.Context(), "ada", few, many)
		}

		require.Equal(t, 2, p.allowed(t.Context(), 5, "ada", few, many), name)
		p.Return(t.Context(), "ada", few, many)
		require.Equal(t, 1, p.allowed(t.Context(), 5, "ada", few, many), name)
		require.Equal(t, 3, p.allowed(t.Context(), 9, "ada", many), name)
	}
}

// Many at once are as many as one after the other, by Redis and by this process alone.
func TestAllowMany(t *testing.T) {
	t.Parallel()

	for name, url := range map[string]string{"Redis": devtest.Redis(t), "Process": "redis://127.0.0.1:1"} {
		p := newProcess(t, url)
		few, many := hourly("submissions", 5), hourly("requests", 20)

		n, d := p.AllowMany(t.Context(), "ada", 3, few, many)
		require.Equal(t, 3, n, name)
		require.True(t, d.Allowed, name)
		require.Equal(t, []int{2, 17}, []int{d.Standings[0].Remaining, d.Standings[1].Remaining}, name)

		n, d = p.AllowMany(t.Context(), "ada", 100, few, many)
		require.Equal(t, 2, n, name)
		require.False(t, d.Allowed, name)
		require.Equal(t, "submissions", d.Violated()[0].Policy, name)
		require.InDelta(t, time.Hour, d.RetryAfter(), float64(time.Minute), name)
		require.Equal(t, 15, d.Standings[1].Remaining, "%s: what is refused uses up none", name)
		require.InDelta(t, 98, testutil.ToFloat64(p.metrics.Refused().WithLabelValues("submissions")), 0, name)

		n, _ = p.AllowMany(t.Context(), "ada", 7, few)
		require.Zero(t, n, name)
		require.Equal(t, 15, p.allowed(t.Context(), 20, "ada", many), name)
	}
}
