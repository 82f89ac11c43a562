package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnfit is matched by errors about a Redis that answers but must not be used: it is too old
// for asynq's scripts, or it evicts keys. Waiting does not help.
var ErrUnfit = errors.New("redis cannot carry jobs")

// Connect returns a client for the Redis at rawURL. It does not dial. The forms are
//
//	redis://user:password@host:port/database
//	redis+sentinel://user:password@sentinel:port,sentinel:port/master/database
//	redis+cluster://user:password@node:port,node:port
//
// with rediss for TLS; user, password and database may be left out. The sentinels themselves are
// asked with the query's sentinel_user and sentinel_password, if any. With TLS the query's ca_file
// names the authority to believe in place of the system's, cert_file and key_file what to present
// to a Redis that asks for a certificate, all in PEM; they are read here, once.
//
// poolSize is how many connections it may hold, to each node of a cluster: for a worker at least
// its servers and its concurrency together; zero means 20. Errors never repeat the URL, which may
// hold a password.
func Connect(rawURL string, poolSize int) (redis.UniversalClient, error) {
	o, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}

	if poolSize == 0 {
		poolSize = 20
	}

	o.PoolSize = poolSize
	o.DialTimeout = 2 * time.Second
	o.ReadTimeout = 3 * time.Second
	o.WriteTimeout = 3 * time.Second
	o.PoolTimeout = 4 * time.Second
	o.ContextTimeoutEnabled = true // else a deadline of 50 ms waits for ReadTimeout

	return newClient(o), nil
}

// reloadEvery is how soon a client hears that another node of a cluster has taken over. A master
// that is dead cannot say so itself, and go-redis would ask the others once a minute.
const reloadEvery = 2 * time.Second

func newClient(o *redis.UniversalOptions) redis.UniversalClient {
	if !o.IsClusterMode {
		return redis.NewUniversalClient(o)
	}

	cluster := o.Cluster()
	cluster.ClusterStateReloadInterval = reloadEvery

	return redis.NewClusterClient(cluster)
}

// Check reports whether Redis answers, lets us in, is at least 6.2 (asynq archives with ZRANGE
// BYSCORE) and never evicts, on every master. A Redis that is there but unfit gives an error that
// matches [ErrUnfit]. Of a Cluster whose masters do not all answer, one that does is enough: the
// queues that it has can be worked.
func Check(ctx context.Context, client redis.UniversalClient) error {
	if err := checkMasters(ctx, client); err != nil {
		return err
	}

	return checkScriptRights(ctx, client)
}

func checkMasters(ctx context.Context, client redis.UniversalClient) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return checkMaster(ctx, client)
	}

	var (
		mu    sync.Mutex
		fit   int
		worst error
	)

	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		err := checkMaster(ctx, c)

		mu.Lock()
		defer mu.Unlock()

		switch {
		case err == nil:
			fit++
		case worst == nil || errors.Is(err, ErrUnfit):
			worst = err
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("look for redis masters: %w", err)
	}

	if errors.Is(worst, ErrUnfit) || fit == 0 {
		return worst
	}

	return nil
}

// trialScript reads as asynq's scripts do, where nothing is.
var trialScript = redis.NewScript(`
redis.call("HGET", KEYS[1], "x")
redis.call("LLEN", KEYS[1])
redis.call("SISMEMBER", KEYS[1], "x")
redis.call("ZCARD", KEYS[1])
redis.call("GET", KEYS[1])
redis.call("EXPIRE", KEYS[1], 1)
return redis.call("DEL", KEYS[1])`)

// checkScriptRights reports a right that is missing. Anything else that is wrong with Redis is for checkMasters
// to say.
func checkScriptRights(ctx context.Context, client redis.UniversalClient) error {
	for _, key := range []string{queueKey("check", "trial"), lossMarkerKey("check")} {
		err := trialScript.Run(ctx, client, []string{key}).Err()
		if err == nil {
			continue
		}

		// Redis 7.0 has no code of its own for what a script may not.
		if redis.HasErrorPrefix(err, "NOPERM") || strings.Contains(err.Error(), "The user executing the script can't") {
			return fmt.Errorf("redis user lacks a right: %w", err)
		}
	}

	return nil
}

func checkMaster(ctx context.Context, c redis.Cmdable) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}

	server, err := c.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("ask redis for its version: %w", err)
	}

	memory, err := c.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("ask redis for its policy: %w", err)
	}

	version := readField(server, "redis_version")
	if !isAtLeast(version, 6, 2) {
		return fmt.Errorf("%w: version is %s, need 6.2 or later", ErrUnfit, version)
	}

	if policy := readField(memory, "maxmemory_policy"); policy != "noeviction" {
		return fmt.Errorf("%w: maxmemory-policy is %s, need noeviction", ErrUnfit, policy)
	}

	return nil
}

func readField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}

	return ""
}

func isAtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}

	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])

	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}
