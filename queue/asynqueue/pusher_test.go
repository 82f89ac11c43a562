package asynqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

func push(id uuid.UUID, epoch int32, in time.Duration) durable.Push {
	return durable.Push{
		Task:    durable.Task{ID: id, Epoch: epoch, Queue: "tests", Kind: "test.probe"},
		RunAt:   time.Now().Add(in),
		Timeout: time.Second,
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()

	for _, bad := range []string{"", "http://s3cret@host", "redis+cluster://s3cret@host", "redis+other://s3cret@host:1",
		"redis+cluster://:s3cret@h:1,h:2/3", "redis+sentinel://:s3cret@h:1,h:2", "redis+sentinel://:s3cret@h:1/main/x",
		"redis+sentinel://:s3cret@h:1/main?s3cret=%zz&\x00", "redis://:s3cret@host:port", "redis://:s3cret@h/x", "\x00s3cret"} {
		_, err := asynqueue.Connect(bad, 0)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}

	for _, good := range []string{
		"redis://:pw@127.0.0.1:1/3", "rediss://127.0.0.1:1",
		"redis+sentinel://user:pw@127.0.0.1:1,127.0.0.1:2/main/3", "rediss+sentinel://127.0.0.1:1/main?sentinel_user=a&sentinel_password=b",
		"redis+cluster://user:pw@127.0.0.1:1,127.0.0.1:2", "rediss+cluster://127.0.0.1:1",
	} {
		c, err := asynqueue.Connect(good, 0)
		require.NoError(t, err, "it does not dial")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err = asynqueue.Check(ctx, c)
		require.Error(t, err)
		require.NotErrorIs(t, err, asynqueue.ErrUnfit)
		cancel()
		require.NoError(t, c.Close())
	}
}

func TestPusher_HungRedisCostsOnlyTheDeadline(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})
	require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{push(uuid.New(), 1, 0)}))
	own.Pause()
	t.Cleanup(own.Continue)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()

	start := time.Now()
	require.Error(t, s.pusher.Push(ctx, []durable.Push{push(uuid.New(), 1, 0)}))
	require.Less(t, time.Since(start), devtest.Patience(time.Second))
}

func TestPusher(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	ctx := t.Context()
	now, later, gone := push(uuid.New(), 1, 0), push(uuid.New(), 4, time.Minute), push(uuid.New(), 1, 0)

	require.NoError(t, s.pusher.Push(ctx, []durable.Push{now}))
	require.NoError(t, s.pusher.Push(ctx, []durable.Push{now}), "a conflict on ours is success")
	require.NoError(t, s.pusher.Push(ctx, []durable.Push{later}))
	require.Equal(t, map[string]int64{"pending": 1, "scheduled": 1}, s.counts())

	alive, err := s.pusher.Alive(ctx, []durable.Task{now.Task, later.Task, gone.Task})
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, false}, alive)

	// A dequeue whose reply was lost.
	name, err := s.client.RPopLPush(ctx, "asynq:{tests}:pending", "asynq:{tests}:active").Result()
	require.NoError(t, err)
	require.NoError(t, s.client.HSet(ctx, "asynq:{tests}:t:"+name, "state", "active").Err())

	active, err := s.pusher.Active(ctx, []string{"tests", "empty"})
	require.NoError(t, err)
	require.Equal(t, []durable.Task{{ID: now.ID, Epoch: 1, Queue: "tests"}}, active)

	for _, p := range []durable.Push{now, later, gone} {
		require.NoError(t, s.pusher.Forget(ctx, []durable.Task{p.Task}))
	}

	require.Empty(t, s.counts())

	keys, err := s.client.Keys(ctx, "asynq:{tests}:*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "nothing is left behind")
}

func TestPusher_Archive(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	ctx := t.Context()
	oldest := push(uuid.New(), 1, 0)
	name := oldest.Name()

	require.NoError(t, s.pusher.Push(ctx, []durable.Push{oldest}))
	require.NoError(t, s.client.Del(ctx, "asynq:{tests}:pending").Err())
	require.NoError(t, s.client.ZAdd(ctx, "asynq:{tests}:archived", redis.Z{Score: 1e9, Member: name}).Err())

	for i := range 1600 {
		require.NoError(t, s.client.ZAdd(ctx, "asynq:{tests}:archived", redis.Z{Score: 2e9, Member: i}).Err())
	}

	for range 2 {
		require.NoError(t, s.pusher.TrimArchive(ctx, []string{"tests", "empty"}))
	}

	require.Equal(t, map[string]int64{"archived": 1000}, s.counts())
	require.Zero(t, s.client.Exists(ctx, "asynq:{tests}:t:"+name).Val(), "the oldest went, with what it consists of")
}

func TestPusher_TaskHoldsNothingButItsName(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	p := push(uuid.New(), 1, 0)
	require.NoError(t, s.pusher.Push(t.Context(), []durable.Push{p}))

	msg, err := s.client.HGet(t.Context(), "asynq:{tests}:t:"+p.Name(), "msg").Result()
	require.NoError(t, err)
	require.Less(t, len(msg), 120)
	require.Contains(t, msg, p.Name())
}
