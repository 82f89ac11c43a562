package asynqueue_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

type (
	probeA struct{}
	probeB struct{}
	probeC struct{}
)

func (probeA) Kind() string { return "test.a" }
func (probeB) Kind() string { return "test.b" }
func (probeC) Kind() string { return "test.c" }

// TestCluster_OneNodeAway takes one of three masters away, by its end and by its silence, with more
// jobs of its queue waiting than the relay and the reconciler look at at once: those of the other
// queues are pushed, relayed, reconciled, worked and measured as before. When it is back, empty,
// so are its own.
func TestCluster_OneNodeAway(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		away func(*devstack.Redis)
		back func(context.Context, *devstack.Redis) error
	}{
		"Dead": {
			(*devstack.Redis).Kill,
			func(ctx context.Context, r *devstack.Redis) error { return r.Restart(ctx, false) },
		},
		"Silent": {
			(*devstack.Redis).Pause,
			func(_ context.Context, r *devstack.Redis) error { r.Continue(); return nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cluster := devtest.OwnCluster(t, devstack.ClusterOptions{})
			oneNodeAway(t, cluster, c.away, c.back)
		})
	}
}

// queuesOf returns a name of a queue on each node.
func queuesOf(t *testing.T, c *devstack.Cluster) []string {
	t.Helper()

	names := make([]string, len(c.Nodes))

	for i, missing := 0, len(names); missing > 0; i++ {
		q := fmt.Sprintf("q%d", i)
		node, err := c.Node(t.Context(), "asynq:{"+q+"}:pending")
		require.NoError(t, err)

		for k, n := range c.Nodes {
			if n == node && names[k] == "" {
				names[k] = q
				missing--
			}
		}
	}

	return names
}

func stageOf(t *testing.T, s *system, args queue.Args, opts ...durable.StageOption) (id uuid.UUID) {
	t.Helper()

	require.NoError(t, postgres.InTx(t.Context(), s.pool, func(tx *postgres.Tx) (err error) {
		id, err = s.queue.Stage(t.Context(), tx, args, opts...)

		return err
	}))

	return id
}

func oneNodeAway(t *testing.T, c *devstack.Cluster, away func(*devstack.Redis), back func(context.Context, *devstack.Redis) error) {
	t.Helper()

	// The list of asynq's queues is on some node too: the one that is to be lost.
	lost, err := c.Node(t.Context(), "asynq:queues")
	require.NoError(t, err)

	queues := queuesOf(t, c)
	others := []string{}
	args := []queue.Args{probeA{}, probeC{}}
	kindOf := map[string]queue.Args{}

	var b string

	for i, n := range c.Nodes {
		if n == lost {
			b = queues[i]
			kindOf[b] = probeB{}
		} else {
			kindOf[queues[i]] = args[len(others)]
			others = append(others, queues[i])
		}
	}

	policy := func(q string) queue.Policy {
		return queue.Policy{
			Args: kindOf[q], Queue: q, Attempts: 3, Timeout: time.Minute,
			Backoff: queue.Backoff{First: time.Second, Max: time.Minute, Factor: 2}, Final: []string{}, Snooze: time.Second,
		}
	}
	kinds := queue.NewKinds(policy(others[0]), policy(others[1]), policy(b))

	client, err := asynqueue.Connect(c.URL, 40)
	require.NoError(t, err)

	s := &system{t: t, pool: devtest.Postgres(t), client: client, pusher: asynqueue.NewPusher(client)}
	t.Cleanup(s.closeClient)

	s.queue = durable.New(s.pool, kinds, durable.Options{Pusher: s.pusher, Timing: durable.Timing{
		Overdue: time.Second, Reconcile: 200 * time.Millisecond,
	}})
	s.background(s.queue.Run)
	s.background(s.queue.Maintain)

	var ran [3]atomic.Int64 // of others, and of b

	count := func(i int) { ran[i].Add(1) }
	worker := func(of ...string) *asynqueue.Server {
		reg := queue.NewRegistry(kinds)
		queue.Register(reg, queue.HandlerFunc[probeA](func(context.Context, *queue.Job[probeA]) error { count(0); return nil }))
		queue.Register(reg, queue.HandlerFunc[probeC](func(context.Context, *queue.Job[probeC]) error { count(1); return nil }))
		queue.Register(reg, queue.HandlerFunc[probeB](func(context.Context, *queue.Job[probeB]) error { count(2); return nil }))

		var groups []asynqueue.Group
		for _, q := range of {
			groups = append(groups, asynqueue.Group{Name: q, Queues: map[string]int{q: 1}, Concurrency: 10})
		}

		server, err := asynqueue.NewServer(s.client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{Groups: groups})
		require.NoError(t, err)
		s.background(server.Run)

		return server
	}

	insert := func(q string, n int) {
		_, err := s.pool.Exec(t.Context(), `insert into job (kind, queue, args) select $1, $2, '{}' from generate_series(1, $3)`,
			kindOf[q].Kind(), q, n)
		require.NoError(t, err)
	}
	left := func(where string, args ...any) (n int) {
		require.NoError(t, s.pool.QueryRow(context.Background(), `select count(*) from job where `+where, args...).Scan(&n))

		return n
	}

	// More of b than the reconciler looks at, pushed; nobody works them yet.
	insert(b, 1100)
	s.eventually(20*time.Second, func() bool { return left(`queue = $1 and state <> 'pushed'`, b) == 0 })

	s.eventually(10*time.Second, worker(others...).Ready)
	away(lost)

	// And more than the relay takes.
	insert(b, 600)
	<-time.After(time.Second)

	began := time.Now()

	const relayed, direct = 30, 30

	for i, q := range others {
		insert(q, relayed)

		for range direct {
			stageOf(t, s, kindOf[q])
		}

		// One whose task is lost.
		id := stageOf(t, s, kindOf[q], durable.After(4*time.Second))
		task := durable.Task{ID: id, Epoch: 1}.Name()
		s.eventually(5*time.Second, func() bool { return s.client.ZScore(t.Context(), "asynq:{"+q+"}:scheduled", task).Err() == nil })
		require.NoError(t, s.client.ZRem(t.Context(), "asynq:{"+q+"}:scheduled", task).Err())
		require.NoError(t, s.client.Del(t.Context(), "asynq:{"+q+"}:t:"+task).Err())

		s.eventually(time.Minute, func() bool { return ran[i].Load() >= relayed+direct })
	}

	t.Logf("others worked within %s", time.Since(began).Round(time.Millisecond))
	// Who was asked about before its task was lost, on a slow machine, is not asked again for 30 s.
	s.eventually(90*time.Second, func() bool { return left(`queue <> $1`, b) == 0 })
	t.Logf("others reconciled within %s", time.Since(began).Round(time.Millisecond))

	collector := asynqueue.NewCollector(s.pusher, queues, slog.New(slog.DiscardHandler))
	at := time.Now()
	found := gather(t, collector)
	require.Less(t, time.Since(at), devtest.Patience(3*time.Second))
	require.Len(t, found, 2*12)

	for _, q := range others {
		require.Contains(t, found, "asynq_queue_size "+q)
	}

	// A process that starts now does not need the lost node either.
	late, err := asynqueue.Connect(c.URL, 0)
	require.NoError(t, err)

	defer late.Close()

	s.eventually(20*time.Second, func() bool { return asynqueue.Check(t.Context(), late) == nil })

	pusher := asynqueue.NewPusher(late)
	p := push(uuid.New(), 1, time.Hour)
	p.Queue = others[0]
	require.NoError(t, pusher.Push(t.Context(), []durable.Push{p}))

	require.NoError(t, back(t.Context(), lost))
	worker(b)
	s.eventually(60*time.Second, func() bool { return left(`true`) == 0 })
	require.EqualValues(t, 1700, ran[2].Load())
	require.EqualValues(t, relayed+direct+1, ran[0].Load())
	require.EqualValues(t, relayed+direct+1, ran[1].Load())
}
