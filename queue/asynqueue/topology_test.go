package asynqueue_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// TestTopology loses a server of a replicated Redis, and of a Redis Cluster, under load.
func TestTopology(t *testing.T) {
	t.Parallel()

	t.Run("SentinelFailover", func(t *testing.T) {
		t.Parallel()

		s := devtest.OwnSentinel(t, devstack.SentinelOptions{})
		underLoad(t, s.URL, func(context.Context) error {
			s.Servers[0].Kill() // a replica takes over; what was not yet replicated is lost

			return nil
		})
	})

	t.Run("ClusterNodeLost", func(t *testing.T) {
		t.Parallel()

		c := devtest.OwnCluster(t, devstack.ClusterOptions{})
		underLoad(t, c.URL, func(ctx context.Context) error {
			node, err := c.Node(ctx, "asynq:{tests}:pending")
			if err != nil {
				return err
			}

			node.Kill()
			<-time.After(3 * time.Second) // long enough for the others to declare it dead

			return node.Restart(ctx, false)
		})
	})

	t.Run("ClusterFailover", func(t *testing.T) {
		t.Parallel()

		c := devtest.OwnCluster(t, devstack.ClusterOptions{Replicas: true})
		underLoad(t, c.URL, func(ctx context.Context) error {
			node, err := c.Node(ctx, "asynq:{tests}:pending")
			if err != nil {
				return err
			}

			node.Kill() // its replica takes over, and nobody brings it back

			return nil
		})
	})
}

// underLoad has disaster happen while jobs are accepted and worked.
func underLoad(t *testing.T, redisURL string, disaster func(context.Context) error) {
	t.Helper()

	app, _, owner := devtest.PostgresURLs(t)
	effectTables(t, owner)

	client, err := asynqueue.Connect(redisURL, 40)
	require.NoError(t, err)
	require.NoError(t, asynqueue.Check(t.Context(), client))

	w := &world{
		system: &system{t: t, pool: devtest.Pool(t, app), client: client, pusher: asynqueue.NewPusher(client)},
		jobs:   600,
	}
	t.Cleanup(w.closeClient)
	w.queue = durable.New(w.pool, kinds(), durable.Options{Pusher: w.pusher})
	w.background(w.queue.Run)
	w.background(w.queue.Maintain)

	work := func(ctx context.Context, job *queue.Job[probe]) error { return effect(ctx, w.pool, job) }
	w.worker(work, asynqueue.ServerOptions{})
	w.worker(work, asynqueue.ServerOptions{})

	produced := make(chan struct{})

	go func() {
		defer close(produced)

		w.produce(rand.New(rand.NewPCG(1, 2)), w.jobs)
	}()

	w.eventually(20*time.Second, func() bool { return w.accepted.Load() > 100 })

	at := time.Now()

	require.NoError(t, disaster(t.Context()))
	<-produced
	w.eventually(60*time.Second, func() bool { return w.count(`select count(*) from job where state <> 'dead'`) == 0 })
	t.Logf("quiet %s after the loss", time.Since(at).Round(time.Millisecond))
	w.check()
}
