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
// at work; without a replica it comes back with [Redis.Restart], empty.
type Cluster struct {
	URL   string
	Nodes []*Redis // the masters at the start, then the replica of each, if there are any

	dir       string
	workspace *workspace
	o         ClusterOptions

	buses    []int // ports that the nodes talk to each other on
	claims   []*fileLock
	security *Security
}

// ClusterOptions say what kind of cluster to start.
type ClusterOptions struct {
	Replicas bool   // one of each master, which takes its place two to four seconds after its end
	Rights   string // not empty: TLS everywhere, and the URL is for a user with these rights alone
}

func (p *workspace) newRedisCluster(ctx context.Context, dir string, o ClusterOptions) (c *Cluster, err error) {
	c = &Cluster{workspace: p, dir: dir, o: o}

	defer func() {
		if err != nil {
			c.Stop()
		}
	}()

	if o.Rights != "" {
		if c.security, err = newSecurity(filepath.Join(dir, "tls")); err != nil {
			return c, err
		}
	}

	masters, nodes := 3, 3
	if o.Replicas {
		nodes = 6
	}

	for i := range nodes {
		if err := c.addNode(ctx); err != nil {
			return c, err
		}

		if i >= masters {
			continue
		}

		if err := c.runCommand(ctx, i, "cluster", "addslotsrange", i*clusterSlots/3, (i+1)*clusterSlots/3-1); err != nil {
			return c, err
		}
	}

	for i := 1; i < nodes; i++ {
		if err := c.runCommand(ctx, i, "cluster", "meet", "127.0.0.1", c.Nodes[0].peerPort(), c.buses[0]); err != nil {
			return c, err
		}
	}

	whole := []string{
		"cluster_state:ok\r\n", "cluster_known_nodes:" + strconv.Itoa(nodes) + "\r\n",
		"cluster_slots_assigned:" + strconv.Itoa(clusterSlots) + "\r\n",
	}

	for _, node := range c.Nodes {
		if err := node.waitForAnswer(ctx, whole, "cluster", "info"); err != nil {
			return c, err
		}
	}

	for i := masters; i < nodes; i++ {
		if err := c.makeReplica(ctx, i, i-masters); err != nil {
			return c, err
		}
	}

	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, loopbackAddress(node.peerPort()))
	}

	c.URL = "redis+cluster://" + strings.Join(addrs, ",")
	if c.security != nil {
		c.URL = c.security.URL("rediss+cluster", strings.Join(addrs, ","), "")
	}

	return c, nil
}

// addNode starts a node that knows of no other yet.
func (c *Cluster) addNode(ctx context.Context) error {
	bus, claim, err := c.workspace.claimPort(0)
	if err != nil {
		return err
	}

	c.buses, c.claims = append(c.buses, bus), append(c.claims, claim)

	args := []string{
		"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000",
		"--cluster-announce-ip", "127.0.0.1", // else a node has none until another has told it
		"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
	}
	if c.security != nil {
		args = append(append(args, "--tls-cluster", "yes"), c.security.userArgs(c.o.Rights)...)
	}

	node, err := c.workspace.newRedisWith(ctx, filepath.Join(c.dir, strconv.Itoa(len(c.Nodes))), redisOptions{args: args, security: c.security})
	if err != nil {
		return err
	}

	c.Nodes = append(c.Nodes, node)

	return nil
}

func (c *Cluster) runCommand(ctx context.Context, i int, command ...any) error {
	client := c.Nodes[i].newClient()
	defer client.Close()

	if err := client.Do(ctx, command...).Err(); err != nil {
		return fmt.Errorf("join redis cluster: %w", err)
	}

	return nil
}

// makeReplica makes node i the replica of a master, and waits until it holds what that does.
func (c *Cluster) makeReplica(ctx context.Context, i, master int) error {
	client := c.Nodes[master].newClient()
	id, err := client.Do(ctx, "cluster", "myid").Text()
	_ = client.Close()

	if err != nil {
		return fmt.Errorf("name of a cluster node: %w", err)
	}

	if err := c.runCommand(ctx, i, "cluster", "replicate", id); err != nil {
		return err
	}

	return c.Nodes[i].waitReplicated(ctx)
}

// Node returns the master, at the start, of key.
func (c *Cluster) Node(ctx context.Context, key string) (*Redis, error) {
	client := c.Nodes[0].newClient()
	defer client.Close()

	slot, err := client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("slot of a key: %w", err)
	}

	for i, node := range c.Nodes[:3] {
		if slot < int64((i+1)*clusterSlots/3) {
			return node, nil
		}
	}

	return nil, fmt.Errorf("slot %d has no master", slot)
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	for _, node := range c.Nodes {
		node.Stop()
	}

	for _, claim := range c.claims {
		_ = claim.Close()
	}
}

// waitUntil returns when ready says so, or with an error after half a minute.
func waitUntil(ctx context.Context, ready func() bool) error {
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
