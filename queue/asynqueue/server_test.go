package asynqueue_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

func TestServer_WorksWhatIsStaged(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})

	var done atomic.Int64

	server, _ := s.worker(func(ctx context.Context, job *queue.Job[probe]) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			done.Add(1)

			return job.Complete(ctx, tx)
		})
	}, asynqueue.ServerOptions{})
	s.eventually(5*time.Second, server.Ready)

	const jobs = 50
	for range jobs {
		s.stage()
	}

	s.eventually(20*time.Second, func() bool { return done.Load() == jobs && len(s.counts()) == 0 })

	var left int

	require.NoError(t, s.pool.QueryRow(t.Context(), `select count(*) from job`).Scan(&left))
	require.Zero(t, left)
}

// TestServer_LostPushStartsWithinTwoSeconds has the process die between commit and push.
func TestServer_LostPushStartsWithinTwoSeconds(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.background(s.queue.Maintain)

	server, _ := s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
	s.eventually(5*time.Second, server.Ready)

	tx, err := s.pool.Begin(t.Context()) // plain: nobody hears of its commit
	require.NoError(t, err)
	id, err := s.queue.Stage(t.Context(), tx, probe{})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))

	s.gone(2*time.Second, id)
}

func TestServer_RetriesAndSnoozes(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})

	attempts := make(chan int, 10)
	s.worker(func(_ context.Context, job *queue.Job[probe]) error {
		attempts <- job.Attempt

		switch len(attempts) {
		case 1:
			return queue.Snooze(time.Second)
		case 2:
			return errors.New("no luck")
		default:
			return nil
		}
	}, asynqueue.ServerOptions{})

	id := s.stage()
	s.gone(15*time.Second, id)
	close(attempts)

	var got []int
	for a := range attempts {
		got = append(got, a)
	}

	require.Equal(t, []int{1, 1, 2}, got, "the snooze spent nothing")
	s.eventually(2*time.Second, func() bool { return len(s.counts()) == 0 })
}

func TestServer_DeadJobStaysInPostgresAndInTheArchive(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.worker(func(context.Context, *queue.Job[probe]) error {
		return queue.Cancel(errors.New("a reason with words"))
	}, asynqueue.ServerOptions{})

	id := s.stage()
	s.eventually(5*time.Second, func() bool { state, _ := s.state(id); return state == "dead" })
	s.eventually(5*time.Second, func() bool { return s.counts()["archived"] == 1 })

	task, err := s.client.HGetAll(t.Context(), "asynq:{tests}:t:"+id.String()+":1").Result()
	require.NoError(t, err)
	require.NotContains(t, task["msg"], "words", "asynq keeps the code of an error, not its text")
}

// TestServer_LostDequeue is a task that Redis gave away in a reply that was lost.
func TestServer_LostDequeue(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{Reconcile: 200 * time.Millisecond})

	id := s.stage()
	s.eventually(5*time.Second, func() bool { state, _ := s.state(id); return state == "pushed" })

	name, err := s.client.RPopLPush(t.Context(), "asynq:{tests}:pending", "asynq:{tests}:active").Result()
	require.NoError(t, err)
	require.NoError(t, s.client.HSet(t.Context(), "asynq:{tests}:t:"+name, "state", "active").Err())

	s.background(s.queue.Maintain)
	s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
	s.gone(10*time.Second, id)
	s.eventually(2*time.Second, func() bool { return len(s.counts()) == 0 })
}

func TestServer_GracefulShutdown(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.maintain()

	started, finish := make(chan struct{}, 2), make(chan struct{})

	var calls, over atomic.Int64

	_, stop := s.worker(func(ctx context.Context, _ *queue.Job[probe]) error {
		defer over.Add(1)

		n := calls.Add(1)
		started <- struct{}{}

		if n == 1 { // finishes in the time it is given
			<-finish

			return nil
		}

		<-ctx.Done() // does not
		require.ErrorIs(t, context.Cause(ctx), queue.ErrStopping)

		return ctx.Err()
	}, asynqueue.ServerOptions{FinishWithin: time.Second, ExitWithin: 10 * time.Second})

	first := s.stage()
	<-started
	second := s.stage()
	<-started

	ended := make(chan error, 1)
	go func() { ended <- stop() }()

	close(finish)
	require.NoError(t, <-ended)
	require.EqualValues(t, 2, over.Load(), "every handler has returned")
	s.gone(time.Second, first)

	_, epoch := s.state(second)
	require.Equal(t, 2, epoch, "handed back under a new name")

	s.worker(func(_ context.Context, job *queue.Job[probe]) error {
		require.Equal(t, 1, job.Attempt)

		return nil
	}, asynqueue.ServerOptions{})
	s.gone(5*time.Second, second)
}

func TestServer_HandlerOutstaysTheHardDeadline(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{Grace: 50 * time.Millisecond})
	s.engineLeft = true // until it is seen to end

	started, leave := make(chan struct{}), make(chan struct{})
	reg := queue.NewRegistry(kinds())
	queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error {
		close(started)
		<-leave

		return nil
	}))

	server, err := asynqueue.NewServer(s.client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{
		Groups:       []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 1}},
		FinishWithin: 50 * time.Millisecond, ExitWithin: 500 * time.Millisecond,
	})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- server.Run(ctx) }()

	engines := func(n int64) func() bool {
		return func() bool {
			got, err := s.client.ZCard(context.Background(), "asynq:servers").Result()

			return err == nil && got == n
		}
	}

	id := s.stage()
	<-started
	s.eventually(10*time.Second, engines(1))
	cancel()
	require.ErrorIs(t, <-ended, asynqueue.ErrHandlersLeft)

	_, epoch := s.state(id)
	require.Equal(t, 2, epoch, "its job is another worker's all the same")
	require.True(t, engines(1)(), "asynq waits for the handler")
	close(leave)
	s.eventually(10*time.Second, engines(0))

	s.engineLeft = false
}

func TestServer_RedisAwayAtStart(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	own.Kill()

	s := setup(t, own.URL, durable.Timing{})
	s.background(s.queue.Maintain)

	id := s.stage() // accepted although nobody can be told
	server, _ := s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})

	require.Never(t, server.Ready, time.Second, 50*time.Millisecond)
	require.NoError(t, own.Restart(t.Context(), false))
	s.eventually(10*time.Second, server.Ready)
	s.gone(10*time.Second, id)
}

func TestServer_RefusesARedisThatEvicts(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})
	require.NoError(t, asynqueue.Check(t.Context(), s.client))
	require.NoError(t, s.client.ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err())
	require.ErrorIs(t, asynqueue.Check(t.Context(), s.client), asynqueue.ErrUnfit)

	reg := queue.NewRegistry(kinds())
	queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error { return nil }))

	server, err := asynqueue.NewServer(s.client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{
		Groups: []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 1}},
	})
	require.NoError(t, err)
	require.ErrorIs(t, server.Run(t.Context()), asynqueue.ErrUnfit)
}

// TestServer_IdleIsCheap counts what an idle worker with three groups asks of Redis.
func TestServer_IdleIsCheap(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})

	groups := []asynqueue.Group{
		{Name: "first", Queues: map[string]int{"tests": 1}, Concurrency: 10},
		{Name: "second", Queues: map[string]int{"vendor": 1}, Concurrency: 10},
		{Name: "third", Queues: map[string]int{"erasure": 4, "retention": 1}, Concurrency: 10},
	}

	server, _ := s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{Groups: groups})
	s.eventually(5*time.Second, server.Ready)

	processed := func() (n int) {
		info, err := s.client.Info(t.Context(), "stats").Result()
		require.NoError(t, err)

		for line := range strings.Lines(info) {
			if v, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
				n, err = strconv.Atoi(strings.TrimSpace(v))
				require.NoError(t, err)
			}
		}

		return n
	}

	const seconds = 3

	before := processed()
	<-time.After(seconds * time.Second)
	require.LessOrEqual(t, (processed()-before)/seconds, 700)
}

// TestServer_RedisOutOfMemoryIsNotHammered has Redis refuse every write.
func TestServer_RedisOutOfMemoryIsNotHammered(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})
	s.background(s.queue.Maintain)

	server, _ := s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
	s.eventually(5*time.Second, server.Ready)
	require.NoError(t, s.client.ConfigSet(t.Context(), "maxmemory", "1").Err())

	calls := func() (n int) {
		info, err := s.client.Info(t.Context(), "commandstats").Result()
		require.NoError(t, err)

		for line := range strings.Lines(info) {
			if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:"); ok {
				rest, _, _ = strings.Cut(strings.TrimPrefix(rest, "calls="), ",")
				n, err = strconv.Atoi(rest)
				require.NoError(t, err)
			}
		}

		return n
	}

	id := s.stage()

	const seconds = 3

	before := calls()
	<-time.After(seconds * time.Second)
	require.Less(t, (calls()-before)/seconds, 100)

	require.NoError(t, s.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	s.gone(10*time.Second, id)
}

func TestNewServer_Refuses(t *testing.T) {
	t.Parallel()

	for name, groups := range map[string][]asynqueue.Group{
		"NoGroup":       nil,
		"NoQueue":       {{Name: "g", Concurrency: 1}},
		"NoConcurrency": {{Name: "g", Queues: map[string]int{"a": 1}}},
		"NoWeight":      {{Name: "g", Queues: map[string]int{"a": 0}, Concurrency: 1}},
	} {
		_, err := asynqueue.NewServer(nil, nil, asynqueue.ServerOptions{Groups: groups})
		require.Error(t, err, name)
	}
}

// TestServer_LeavesNoGoroutine is not parallel: it looks at the whole process.
func TestServer_LeavesNoGoroutine(t *testing.T) { //nolint:paralleltest // see above
	devtest.Postgres(t)

	redisURL := devtest.Redis(t)
	before := goleak.IgnoreCurrent() // with the shared servers

	t.Run("Life", func(t *testing.T) { //nolint:paralleltest // see above
		s := setup(t, redisURL, durable.Timing{})
		server, _ := s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
		s.eventually(5*time.Second, server.Ready)
		s.gone(5*time.Second, s.stage())
	})
	goleak.VerifyNone(t, before)
}
