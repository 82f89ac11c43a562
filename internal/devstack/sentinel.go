package devstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// SentinelMaster is what the sentinels call the server they watch.
const SentinelMaster = "main"

// Sentinel is a private Redis master with two replicas and three sentinels, who make a replica
// the master a second or two after the master has gone.
type Sentinel struct {
	URL     string
	Servers []*Redis // the first is the master at the start

	watchers []*Redis
}

func (p *place) newSentinel(ctx context.Context, dir string) (s *Sentinel, err error) {
	s = &Sentinel{}

	defer func() {
		if err != nil {
			s.Stop()
		}
	}()

	for i := range 3 {
		args := []string{"--repl-diskless-sync-delay", "0"}
		if i > 0 {
			args = append(args, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Servers[0].port))
		}

		server, err := p.newRedisWith(ctx, filepath.Join(dir, "server"+strconv.Itoa(i)), false, 0, args...)
		if err != nil {
			return s, err
		}

		s.Servers = append(s.Servers, server)
	}

	if err := s.replicated(ctx); err != nil {
		return s, err
	}

	var addrs []string

	for i := range 3 {
		folder := filepath.Join(dir, "sentinel"+strconv.Itoa(i))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return s, fmt.Errorf("folder of a sentinel: %w", err)
		}

		// A file of its own, which it rewrites.
		file := filepath.Join(folder, "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 1000\n"+
			"sentinel failover-timeout %[1]s 5000\n", SentinelMaster, s.Servers[0].port)

		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return s, fmt.Errorf("configure a sentinel: %w", err)
		}

		watcher, err := p.newRedisWith(ctx, folder, false, 0, file, "--sentinel")
		if err != nil {
			return s, err
		}

		s.watchers = append(s.watchers, watcher)
		addrs = append(addrs, watcher.Addr)
	}

	s.URL = "redis+sentinel://" + strings.Join(addrs, ",") + "/" + SentinelMaster

	return s, s.watched(ctx)
}

// replicated waits until both replicas hold what the master does.
func (s *Sentinel) replicated(ctx context.Context) error {
	for _, server := range s.Servers[1:] {
		client := server.client()
		err := until(ctx, func() bool {
			info, err := client.Info(ctx, "replication").Result()

			return err == nil && strings.Contains(info, "master_link_status:up")
		})
		_ = client.Close()

		if err != nil {
			return fmt.Errorf("redis replica has no master: %w", err)
		}
	}

	return nil
}

// watched waits until the sentinels know of each other and of the replicas.
func (s *Sentinel) watched(ctx context.Context) error {
	for _, watcher := range s.watchers {
		client := watcher.client()
		err := until(ctx, func() bool {
			info, err := client.Info(ctx, "sentinel").Result()

			return err == nil && strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=2,sentinels=3")
		})
		_ = client.Close()

		if err != nil {
			return fmt.Errorf("redis sentinels do not know each other: %w", err)
		}
	}

	return nil
}

// Stop ends all of them.
func (s *Sentinel) Stop() {
	for _, r := range append(s.watchers, s.Servers...) {
		r.Stop()
	}
}
