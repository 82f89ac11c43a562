package asynqueue_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/queue/asynqueue"
)

// harness is a client of one server, as its administrator.
func harness(t *testing.T, r *devstack.Redis) *redis.Client {
	t.Helper()

	c := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { _ = c.Close() })

	return c
}

// aged has a server say that it is of an old version.
type aged struct{}

func (aged) DialHook(next redis.DialHook) redis.DialHook { return next }

func (aged) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (aged) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if s, ok := cmd.(*redis.StringCmd); ok && cmd.Name() == "info" {
			s.SetVal(strings.Replace(s.Val(), "redis_version:", "redis_version:6.0.16\r\nx:", 1))
		}

		return err
	}
}

// TestCheck_EveryMaster has one server of several be what must not be used.
func TestCheck_EveryMaster(t *testing.T) {
	t.Parallel()

	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()

		c := devtest.OwnCluster(t, devstack.ClusterOptions{})
		client, err := asynqueue.Connect(c.URL, 0)
		require.NoError(t, err)

		defer client.Close()

		require.NoError(t, asynqueue.Check(t.Context(), client))

		for i, node := range c.Nodes {
			admin := harness(t, node)
			require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())

			err := asynqueue.Check(t.Context(), client)
			require.ErrorIs(t, err, asynqueue.ErrUnfit, "node %d", i)
			require.ErrorContains(t, err, "maxmemory-policy is allkeys-lru")
			require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
			require.NoError(t, asynqueue.Check(t.Context(), client))
		}

		for _, node := range c.Nodes {
			old, err := asynqueue.Connect(c.URL, 0)
			require.NoError(t, err)

			old.(*redis.ClusterClient).OnNewNode(func(n *redis.Client) {
				if n.Options().Addr == node.Addr {
					n.AddHook(aged{})
				}
			})
			err = asynqueue.Check(t.Context(), old)
			require.ErrorIs(t, err, asynqueue.ErrUnfit)
			require.ErrorContains(t, err, "version is 6.0.16")
			require.NoError(t, old.Close())
		}

		// One that is away keeps nobody from the others, nor makes up for what is wrong with them.
		c.Nodes[0].Kill()
		require.Eventually(t, func() bool { return asynqueue.Check(t.Context(), client) == nil }, 20*time.Second, 50*time.Millisecond)
		require.NoError(t, harness(t, c.Nodes[2]).ConfigSet(t.Context(), "maxmemory-policy", "volatile-ttl").Err())
		require.ErrorIs(t, asynqueue.Check(t.Context(), client), asynqueue.ErrUnfit)
		c.Nodes[1].Kill()
		c.Nodes[2].Kill()

		err = asynqueue.Check(t.Context(), client)
		require.Error(t, err)
		require.NotErrorIs(t, err, asynqueue.ErrUnfit)
	})

	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()

		s := devtest.OwnSentinel(t, devstack.SentinelOptions{})
		client, err := asynqueue.Connect(s.URL, 0)
		require.NoError(t, err)

		defer client.Close()

		// A replica's policy is nobody's business until it is the master.
		for _, replica := range s.Servers[1:] {
			require.NoError(t, harness(t, replica).ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err())
		}

		require.NoError(t, asynqueue.Check(t.Context(), client))
		require.NoError(t, harness(t, s.Servers[0]).ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err())
		require.ErrorIs(t, asynqueue.Check(t.Context(), client), asynqueue.ErrUnfit)
		require.NoError(t, harness(t, s.Servers[0]).ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
		require.NoError(t, asynqueue.Check(t.Context(), client))

		s.Servers[0].Kill()
		require.Eventually(t, func() bool {
			return strings.Contains(errorText(asynqueue.Check(t.Context(), client)), "maxmemory-policy is volatile-lru")
		}, 30*time.Second, 100*time.Millisecond, "the new master")
	})

	t.Run("Old", func(t *testing.T) {
		t.Parallel()

		client, err := asynqueue.Connect(devtest.Redis(t), 0)
		require.NoError(t, err)

		defer client.Close()

		client.AddHook(aged{})
		require.ErrorIs(t, asynqueue.Check(t.Context(), client), asynqueue.ErrUnfit)
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}

	return err.Error()
}
