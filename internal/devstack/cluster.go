package devstack

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const clusterSlots = 16384

// Cluster is a private Redis Cluster of three masters. Losing one leaves the slots of the others
// at work; it comes back with [Redis.Restart], empty.
type Cluster struct {
	URL   string
	Nodes []*Redis

	buses []*fileLock // ports that the nodes talk to each other on
}

func (p *place) newRedisCluster(ctx context.Context, dir string) (c *Cluster, err error) {
	c = &Cluster{}

	defer func() {
		if err != nil {
			c.Stop()
		}
	}()

	var addrs []string

	for i := range 3 {
		bus, claim, err := p.claimPort(0)
		if err != nil {
			return c, err
		}

		c.buses = append(c.buses, claim)

		node, err := p.newRedisWith(ctx, filepath.Join(dir, strconv.Itoa(i)), false, 0,
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no")
		if err != nil {
			return c, err
		}

		c.Nodes = append(c.Nodes, node)
		addrs = append(addrs, node.Addr)

		client := node.client()
		err = client.ClusterAddSlotsRange(ctx, i*clusterSlots/3, (i+1)*clusterSlots/3-1).Err()

		if err == nil && i > 0 {
			err = client.Do(ctx, "cluster", "meet", "127.0.0.1", c.Nodes[0].port, busOf(c.Nodes[0])).Err()
		}

		_ = client.Close()

		if err != nil {
			return c, fmt.Errorf("join redis cluster: %w", err)
		}
	}

	c.URL = "redis+cluster://" + strings.Join(addrs, ",")

	for _, node := range c.Nodes {
		client := node.client()
		err = until(ctx, func() bool {
			info, err := client.ClusterInfo(ctx).Result()

			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
		_ = client.Close()

		if err != nil {
			return c, fmt.Errorf("redis cluster is not whole: %w", err)
		}
	}

	return c, nil
}

// busOf returns the port that a node of a cluster talks to the others on.
func busOf(r *Redis) string { return r.args[3] }

// Node returns the master of key.
func (c *Cluster) Node(ctx context.Context, key string) (*Redis, error) {
	client := c.Nodes[0].client()
	defer client.Close()

	slot, err := client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("slot of a key: %w", err)
	}

	for i, node := range c.Nodes {
		if slot < int64((i+1)*clusterSlots/3) {
			return node, nil
		}
	}

	return nil, fmt.Errorf("slot %d is nobody's", slot)
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	for _, node := range c.Nodes {
		node.Stop()
	}

	for _, bus := range c.buses {
		_ = bus.Close()
	}
}

// until returns when ready says so, or with an error after half a minute.
func until(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}

	return nil
}
