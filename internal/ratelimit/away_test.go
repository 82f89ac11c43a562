package ratelimit_test

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/ratelimit"
)

// eventuallyRedis asks on behalf of another subject until Redis judges again.
func (p *process) eventuallyRedis(t *testing.T) {
	t.Helper()

	require.Eventually(t, func() bool {
		before := p.by(t, "redis")
		p.clock.Move(time.Second)
		p.Allow(t.Context(), "probe", hourly("requests", 1000))

		return p.by(t, "redis") > before
	}, 20*time.Second, 20*time.Millisecond)
}

// The question failed and was not counted.
func TestAway_Dead(t *testing.T) {
	t.Parallel()

	server := devtest.OwnRedis(t)
	p := newProcess(t, server.URL)
	limit := hourly("requests", 10)

	require.Equal(t, 4, p.allowed(t.Context(), 4, "ada", limit))
	require.Equal(t, 4, p.by(t, "redis"))

	server.Kill()

	began := time.Now()

	require.Equal(t, 6, p.allowed(t.Context(), 100, "ada", limit), "it goes on where Redis stopped")
	require.Equal(t, 10, p.allowed(t.Context(), 20, "bob", limit), "and limits others by itself")
	require.Less(t, time.Since(began), 8*time.Second, "one question at most waited")
	require.Equal(t, 4, p.by(t, "redis"))
	require.Equal(t, 120, p.by(t, "process"))

	// All of Redis may be lost. What this process knows is not lost with it, and is not asked.
	require.NoError(t, server.Restart(t.Context(), false))
	require.Zero(t, p.allowed(t.Context(), 1, "ada", limit), "the cool-off is not over")

	p.eventuallyRedis(t)
	require.Equal(t, 10, p.allowed(t.Context(), 20, "ada", limit), "Redis has forgotten, and Redis judges")
}

// The question failed, for us, and was counted all the same.
func TestAway_Hangs(t *testing.T) {
	t.Parallel()

	server := devtest.OwnRedis(t)
	p := newProcess(t, server.URL)
	hasty := newProcess(t, server.URL, impatient)
	limit := hourly("requests", 10)

	require.Equal(t, 1, p.allowed(t.Context(), 1, "ada", limit))

	require.Eventually(t, func() bool { // connected, and not by chance too slow
		hasty.clock.Move(time.Second)
		hasty.Allow(t.Context(), "warm", hourly("requests", 1000))

		return hasty.by(t, "redis") > 0
	}, 20*time.Second, time.Millisecond)

	judged := hasty.by(t, "process")

	server.Pause()
	defer server.Continue()

	began := time.Now()
	d := hasty.Allow(t.Context(), "ada", limit)
	took := time.Since(began)

	require.True(t, d.Allowed)
	require.Equal(t, 9, d.Standings[0].Remaining, "this process knew of no other's")
	require.GreaterOrEqual(t, took, 100*time.Millisecond, "it was asked")
	require.Less(t, took, 3*time.Second)

	began = time.Now()

	require.Equal(t, 9, hasty.allowed(t.Context(), 1000, "ada", limit))
	require.Less(t, time.Since(began), 3*time.Second, "no other question waited")
	require.Equal(t, judged+1001, hasty.by(t, "process"))

	server.Continue()
	hasty.eventuallyRedis(t)

	left := p.allowed(t.Context(), 20, "ada", limit)
	require.LessOrEqual(t, left, 9)
	require.GreaterOrEqual(t, left, 8, "Redis may have counted the one that was not waited for, and nothing twice")
}

// While it is away one question in each cool-off tries Redis, however many come.
func TestAway_OneTries(t *testing.T) {
	t.Parallel()

	server := devtest.OwnRedis(t)
	p := newProcess(t, server.URL, impatient)
	server.Pause()

	defer server.Continue()

	p.Allow(t.Context(), "ada", hourly("requests", 10))
	p.clock.Move(time.Second)

	slow := make(chan bool, 50)

	for range cap(slow) {
		go func() {
			began := time.Now()
			p.Allow(t.Context(), "ada", hourly("requests", 10))
			slow <- time.Since(began) >= 100*time.Millisecond
		}()
	}

	waited := 0

	for range cap(slow) {
		if <-slow {
			waited++
		}
	}

	require.GreaterOrEqual(t, waited, 1)
	require.Less(t, waited, 25, "a busy machine may hold up some")
}

// A caller who leaves says nothing about Redis.
func TestAway_CallerLeft(t *testing.T) {
	t.Parallel()

	p := newProcess(t, devtest.Redis(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	require.True(t, p.Allow(ctx, "ada", hourly("requests", 10)).Allowed)
	require.Equal(t, 1, p.by(t, "process"))

	p.Allow(t.Context(), "ada", hourly("requests", 10))
	require.Equal(t, 1, p.by(t, "redis"), "without a cool-off")
}

// By this process alone, on a clock of the test's own: what doc.go promises.
func TestAlone(t *testing.T) {
	t.Parallel()

	alone := func(t *testing.T, edits ...func(*ratelimit.Options)) *process {
		t.Helper()

		p := newProcess(t, "redis://127.0.0.1:1", edits...)
		require.True(t, p.Allow(t.Context(), "first", hourly("requests", 1)).Allowed)
		require.Equal(t, 1, p.by(t, "process"))

		return p
	}

	// Within a window and a little: the quota at once, and what comes back meanwhile.
	t.Run("Steady", func(t *testing.T) {
		t.Parallel()

		p := alone(t, func(o *ratelimit.Options) { o.CoolOff = 24 * time.Hour })
		limit := ratelimit.Limit{Policy: "requests", Quota: 7, Window: time.Minute} // 8.571428 s each

		require.Equal(t, 7, p.allowed(t.Context(), 20, "ada", limit))

		d := p.Allow(t.Context(), "ada", limit)
		require.False(t, d.Allowed)
		require.Equal(t, 8571428*time.Microsecond, d.RetryAfter())

		p.clock.Move(d.RetryAfter() - time.Microsecond)
		require.Zero(t, p.allowed(t.Context(), 1, "ada", limit))
		p.clock.Move(time.Microsecond)
		require.Equal(t, 1, p.allowed(t.Context(), 5, "ada", limit))

		p.clock.Move(time.Minute)

		for range 50 { // who keeps to the limit is never refused
			require.Equal(t, 7, p.allowed(t.Context(), 7, "ada", limit))
			p.clock.Move(time.Minute)
		}
	})

	t.Run("ClockSetBack", func(t *testing.T) {
		t.Parallel()

		p := alone(t, func(o *ratelimit.Options) { o.CoolOff = 24 * time.Hour })
		limit := ratelimit.Limit{Policy: "requests", Quota: 6, Window: time.Minute}

		require.Equal(t, 6, p.allowed(t.Context(), 20, "ada", limit))
		p.clock.Move(-time.Hour)
		require.Equal(t, 10*time.Second, p.Allow(t.Context(), "ada", limit).RetryAfter())
	})

	t.Run("Bounded", func(t *testing.T) {
		t.Parallel()

		p := alone(t, func(o *ratelimit.Options) { o.CoolOff, o.Remembered = 24*time.Hour, 2 })
		limit := hourly("requests", 1)

		require.Equal(t, 1, p.allowed(t.Context(), 2, "ada", limit))
		require.Equal(t, 1, p.allowed(t.Context(), 2, "bob", limit))
		require.Equal(t, 1, p.allowed(t.Context(), 2, "eve", limit))
		require.Equal(t, 0, p.allowed(t.Context(), 2, "bob", limit))
		require.Equal(t, 1, p.allowed(t.Context(), 2, "ada", limit), "forgotten, and begins anew")
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()

	p := newProcess(t, devtest.OwnCluster(t, devstack.ClusterOptions{}).URL)

	for i := range 20 { // some for each master
		require.Equal(t, 2, p.allowed(t.Context(), 4, "user"+strconv.Itoa(i), hourly("requests", 5), hourly("submissions", 2), hourly("key", 3)))
	}

	require.Zero(t, p.by(t, "process"))
}

// The rights that docs/operations.md asks for are enough.
func TestRights(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)

	rights := regexp.MustCompile(`(?m)^    ACL SETUSER imagerun on >password (.+)$`).FindStringSubmatch(string(text))
	require.NotNil(t, rights)

	p := newProcess(t, devtest.OwnSecureRedis(t, rights[1]).URL)

	require.Equal(t, 2, p.allowed(t.Context(), 3, "ada", hourly("requests", 5), hourly("submissions", 2)))
	require.Equal(t, 3, p.by(t, "redis"))
}
