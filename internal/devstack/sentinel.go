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

	Watchers []*Redis // the sentinels
	security *Security
}

// SentinelOptions say what kind of servers and sentinels to start. With rights everything is over
// TLS, and the URL is for a user who has these alone.
type SentinelOptions struct {
	Rights      string // in the servers, as ACL SETUSER takes them
	WatchRights string // in the sentinels
}

func (p *place) newSentinel(ctx context.Context, dir string, o SentinelOptions) (s *Sentinel, err error) {
	s = &Sentinel{}

	defer func() {
		if err != nil {
			s.Stop()
		}
	}()

	if o.Rights != "" {
		if s.security, err = newSecurity(filepath.Join(dir, "tls")); err != nil {
			return s, err
		}
	}

	for i := range 3 {
		args := []string{"--repl-diskless-sync-delay", "0"}
		if i > 0 {
			args = append(args, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.port(s.Servers[0])))
		}

		if s.security != nil {
			args = append(args, s.security.user(o.Rights)...)
		}

		server, err := p.newRedisWith(ctx, filepath.Join(dir, "server"+strconv.Itoa(i)), redisOptions{args: args, security: s.security})
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
			"sentinel failover-timeout %[1]s 5000\n", SentinelMaster, s.port(s.Servers[0]))

		args := []string{file, "--sentinel"}
		if s.security != nil {
			args = append(args, s.security.user(o.WatchRights)...)
		}

		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return s, fmt.Errorf("configure a sentinel: %w", err)
		}

		watcher, err := p.newRedisWith(ctx, folder, redisOptions{args: args, security: s.security})
		if err != nil {
			return s, err
		}

		s.Watchers = append(s.Watchers, watcher)
		addrs = append(addrs, address(s.port(watcher)))
	}

	s.URL = "redis+sentinel://" + strings.Join(addrs, ",") + "/" + SentinelMaster
	if s.security != nil {
		s.URL = s.security.URL("rediss+sentinel", strings.Join(addrs, ","), "/"+SentinelMaster) +
			"&sentinel_user=" + s.security.User + "&sentinel_password=" + s.security.Password
	}

	return s, s.watched(ctx)
}

// port returns the one that a server goes by among the others.
func (s *Sentinel) port(r *Redis) int {
	if s.security != nil {
		return r.tlsPort
	}

	return r.port
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
	for _, watcher := range s.Watchers {
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
	for _, r := range append(s.Watchers, s.Servers...) {
		r.Stop()
	}
}
