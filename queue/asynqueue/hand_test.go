package asynqueue_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

func group(queues map[string]int, concurrency int) asynqueue.ServerOptions {
	return asynqueue.ServerOptions{Groups: []asynqueue.Group{{Name: "g", Queues: queues, Concurrency: concurrency}}}
}

// waits reports whether somebody waits in Redis for a task.
func (s *system) waits() bool {
	s.t.Helper()

	info, err := s.client.Info(context.Background(), "clients").Result()
	require.NoError(s.t, err)

	return !strings.Contains(info, "blocked_clients:0")
}

// idle waits until a worker that is alone at its Redis waits there.
func (s *system) idle() {
	s.t.Helper()
	s.eventually(10*time.Second, s.waits)
}

// TestHand_WaitsInRedis: an idle worker is given a task without asking, whatever Redis forgot of its scripts,
// and goes back to waiting.
func TestHand_WaitsInRedis(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})

	var ran atomic.Int64

	s.worker(func(context.Context, *queue.Job[probe]) error { ran.Add(1); return nil }, asynqueue.ServerOptions{})

	for i := range 5 {
		s.idle()
		require.NoError(t, s.client.ScriptFlush(t.Context()).Err())

		id := s.stage()
		s.gone(5*time.Second, id)
		require.EqualValues(t, i+1, ran.Load())
	}

	s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestHand_StopLosesNothing stops an idle worker again and again just when jobs come: each ends or waits for
// the next worker, which finds it without anybody's repair.
func TestHand_StopLosesNothing(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})

	work := func(context.Context, *queue.Job[probe]) error { return nil }

	var ids []uuid.UUID

	for range 15 {
		_, stop := s.worker(work, asynqueue.ServerOptions{})
		s.idle()

		staged := make(chan struct{})

		go func() {
			defer close(staged)

			for range 5 {
				ids = append(ids, s.stage())
			}
		}()

		require.NoError(t, stop())
		<-staged
		require.False(t, s.waits())
	}

	info, err := s.client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, info, "cmdstat_client|unblock:calls=", "whoever waits is woken")

	s.eventually(5*time.Second, func() bool { return s.counts()["active"] == 0 })
	s.worker(work, asynqueue.ServerOptions{})

	for _, id := range ids {
		s.gone(10*time.Second, id)
	}

	s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestHand_WhatLastsIsShown: asynq's tools see a job that lasts as active, on a worker and with a lease that is
// extended, and none that is done.
func TestHand_WhatLastsIsShown(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})
	s.maintain()

	started, leave := make(chan struct{}), make(chan struct{})

	s.worker(func(context.Context, *queue.Job[probe]) error {
		close(started)
		<-leave

		return nil
	}, asynqueue.ServerOptions{})

	id := s.stage()
	name := id.String() + ":1"
	<-started

	lease := func() float64 { return s.client.ZScore(context.Background(), "asynq:{tests}:lease", name).Val() }
	inspector := asynq.NewInspectorFromRedisClient(s.client)

	s.eventually(5*time.Second, func() bool { return lease() > 0 })

	booked := lease()
	info, err := inspector.GetTaskInfo("tests", name)
	require.NoError(t, err)
	require.Equal(t, asynq.TaskStateActive, info.State)
	require.Equal(t, "test.probe", info.Type)

	s.eventually(15*time.Second, func() bool {
		servers, err := inspector.Servers()
		require.NoError(t, err)

		for _, server := range servers {
			for _, w := range server.ActiveWorkers {
				if w.TaskID == name {
					return true
				}
			}
		}

		return false
	})
	s.eventually(15*time.Second, func() bool { return lease() > booked })

	close(leave)
	s.gone(5*time.Second, id)
	s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })
	require.Zero(t, lease())

	queueInfo, err := inspector.GetQueueInfo("tests")
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 0}, []int{queueInfo.Processed, queueInfo.ProcessedTotal, queueInfo.Failed})
}

// TestHand_PausedInPostgresFirst: a worker that is given a task of a queue that Redis does not know to be paused
// yet puts it back, as the next.
func TestHand_PausedInPostgresFirst(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})

	var ran atomic.Int64

	s.worker(func(context.Context, *queue.Job[probe]) error { ran.Add(1); return nil }, asynqueue.ServerOptions{})
	s.idle()

	admin := durable.NewAdmin(s.queue)
	require.NoError(t, admin.Pause(t.Context(), durable.Pause{Queue: "tests", Operator: "ada"}, 0))

	id := s.stage()
	s.eventually(5*time.Second, func() bool { return s.counts()["pending"] == 1 })
	require.Never(t, func() bool { return ran.Load() > 0 }, 2*time.Second, 50*time.Millisecond)

	require.NoError(t, admin.Resume(t.Context(), "tests", "ada"))
	s.gone(10*time.Second, id)
	s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestHand_PostgresAway: a worker that does not reach Postgres takes no jobs away from those that do, and does not
// take and put back what waits again and again.
func TestHand_PostgresAway(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})
	reg := queue.NewRegistry(kinds())
	queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error { return nil }))

	away := durable.New(devtest.Pool(t, "postgres://nobody@127.0.0.1:1/nothing"), kinds(), durable.Options{})
	server, err := asynqueue.NewServer(s.client, durable.NewRunner(away, reg, durable.RunnerOptions{}), group(map[string]int{"tests": 1}, 10))
	require.NoError(t, err)

	const jobs = 300
	for range jobs {
		s.stage()
	}

	newest := func() string { return s.client.LIndex(context.Background(), "asynq:{tests}:pending", 0).Val() }

	s.eventually(10*time.Second, func() bool { return s.counts()["pending"] == jobs })
	was := newest()

	s.background(server.Run)

	moves := func() (n int) {
		info, err := s.client.Info(context.Background(), "commandstats").Result()
		require.NoError(t, err)

		for line := range strings.Lines(info) {
			for _, cmd := range []string{"cmdstat_rpush:calls=", "cmdstat_rpoplpush:calls="} {
				if rest, ok := strings.CutPrefix(line, cmd); ok {
					rest, _, _ = strings.Cut(rest, ",")
					moved, err := strconv.Atoi(rest)
					require.NoError(t, err)

					n += moved
				}
			}
		}

		return n
	}

	s.eventually(10*time.Second, func() bool { return moves() > 0 })

	before := moves()
	<-time.After(3 * time.Second) // in which a hot loop moves them thousands of times
	require.Less(t, moves()-before, 500)
	require.Zero(t, s.counts()["retry"])
	s.eventually(10*time.Second, func() bool {
		return s.counts()["pending"] == jobs && newest() == was
	})

	s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
	s.eventually(20*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestHand_OneQueueRefused has Redis fail for one queue of a group: the other is worked as before, and the queue
// is there again when it is well.
func TestHand_OneQueueRefused(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})
	require.NoError(t, s.client.Set(t.Context(), "asynq:{bad}:pending", "not a list", 0).Err())

	s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, group(map[string]int{"bad": 1, "tests": 1}, 4))

	for range 5 {
		s.gone(5*time.Second, s.stage())
	}

	require.NoError(t, s.client.Del(t.Context(), "asynq:{bad}:pending").Err())

	stranger := push(uuid.New(), 1, 0)
	stranger.Queue = "bad"
	require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{stranger}))
	s.eventually(10*time.Second, func() bool {
		return s.client.Exists(t.Context(), "asynq:{bad}:t:"+stranger.Name()).Val() == 0
	})
}

// TestHand_ShortAndLong: short jobs of a queue that also has long ones do not wait in vain at a worker whose
// slots are taken, since another has some.
func TestHand_ShortAndLong(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{})
	leave := make(chan struct{})

	var long, short atomic.Int64

	handler := func(_ context.Context, job *queue.Job[probe]) error {
		if job.Args.ID == uuid.Max {
			long.Add(1)
			<-leave
		}

		short.Add(1)

		return nil
	}

	s.worker(handler, group(map[string]int{"tests": 1}, 4))
	s.worker(handler, group(map[string]int{"tests": 1}, 4))

	// Short ones first, so that both workers take some ahead; then long ones, which fill all but a slot.
	for range 200 {
		s.stage()
	}

	for range 7 {
		stageOf(t, s, probe{ID: uuid.Max})
	}

	s.eventually(20*time.Second, func() bool { return long.Load() == 7 && short.Load() == 200 })

	for range 50 {
		s.stage()
	}

	s.eventually(20*time.Second, func() bool { return short.Load() == 250 })
	close(leave)
	s.eventually(10*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestHand_ForeignTask: a task that is not ours is put away for people to see.
func TestHand_ForeignTask(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})

	client := asynq.NewClientFromRedisClient(s.client)
	_, err := client.EnqueueContext(t.Context(), asynq.NewTask("somebody:elses", nil), asynq.Queue("tests"), asynq.TaskID("theirs"))
	require.NoError(t, err)
	s.eventually(10*time.Second, func() bool { return s.counts()["archived"] == 1 })
}

// TestPusher_WhatIsNotBooked: a task that a worker took and died of at once is not called active yet. It is
// found and forgotten all the same, and one that nobody has taken is left where it is.
func TestPusher_WhatIsNotBooked(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	ctx := t.Context()

	taken := func() durable.Push {
		p := push(uuid.New(), 1, 0)
		require.NoError(t, s.pusher.Push(ctx, []durable.Push{p}))
		require.NoError(t, s.client.LMove(ctx, "asynq:{tests}:pending", "asynq:{tests}:active", "RIGHT", "LEFT").Err())

		return p
	}

	p := taken()
	active, err := s.pusher.Active(ctx, []string{"tests"})
	require.NoError(t, err)
	require.Len(t, active, 1)
	require.NoError(t, s.pusher.Forget(ctx, []durable.Task{p.Task}))
	require.Empty(t, s.counts())

	waits := push(uuid.New(), 1, 0)
	require.NoError(t, s.pusher.Push(ctx, []durable.Push{waits}))
	require.NoError(t, s.pusher.Forget(ctx, []durable.Task{waits.Task}))
	require.Equal(t, map[string]int64{"pending": 1}, s.counts())
}

// TestPusher_OneOfMany has Redis refuse one of several pushes: nothing is known of any, and pushing them again
// is no harm.
func TestPusher_OneOfMany(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	ctx := t.Context()
	ps := []durable.Push{push(uuid.New(), 1, 0), push(uuid.New(), 1, time.Hour), push(uuid.New(), 1, 0)}

	require.NoError(t, s.client.Set(ctx, "asynq:{tests}:scheduled", "not a set", 0).Err())

	var refused redis.Error

	require.ErrorAs(t, s.pusher.Push(ctx, ps), &refused)
	require.NoError(t, s.client.Del(ctx, "asynq:{tests}:scheduled").Err())
	require.NoError(t, s.client.Del(ctx, "asynq:{tests}:t:"+ps[1].Name()).Err())
	require.NoError(t, s.pusher.Push(ctx, ps))
	require.Equal(t, map[string]int64{"pending": 2, "scheduled": 1}, s.counts())
}
