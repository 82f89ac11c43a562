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

// Sentinel is a private Redis master with two replicas and three sentinels, which make a replica
// the master a second or two after the master has gone.
type Sentinel struct {
	URL     string
	Servers []*Redis // the first is the master at the start

	Watchers []*Redis // the sentinels
	security *Security
}

// SentinelOptions say what kind of servers and sentinels to start. With rights everything is over
// TLS, and the URL is for a user that has these alone.
type SentinelOptions struct {
	Rights      string // in the servers, as ACL SETUSER takes them
	WatchRights string // in the sentinels
}

func (p *workspace) newSentinel(ctx context.Context, dir string, o SentinelOptions) (s *Sentinel, err error) {
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
			args = append(args, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Servers[0].peerPort()))
		}

		if s.security != nil {
			args = append(args, s.security.userArgs(o.Rights)...)
		}

		server, err := p.newRedisWith(ctx, filepath.Join(dir, "server"+strconv.Itoa(i)), redisOptions{args: args, security: s.security})
		if err != nil {
			return s, err
		}

		s.Servers = append(s.Servers, server)
	}

	for _, server := range s.Servers[1:] {
		if err := server.waitReplicated(ctx); err != nil {
			return s, err
		}
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
			"sentinel failover-timeout %[1]s 5000\n", SentinelMaster, s.Servers[0].peerPort())

		args := []string{file, "--sentinel"}
		if s.security != nil {
			args = append(args, s.security.userArgs(o.WatchRights)...)
		}

		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return s, fmt.Errorf("configure a sentinel: %w", err)
		}

		watcher, err := p.newRedisWith(ctx, folder, redisOptions{args: args, security: s.security})
		if err != nil {
			return s, err
		}

		s.Watchers = append(s.Watchers, watcher)
		addrs = append(addrs, loopbackAddress(watcher.peerPort()))
	}

	s.URL = "redis+sentinel://" + strings.Join(addrs, ",") + "/" + SentinelMaster
	if s.security != nil {
		s.URL = s.security.URL("rediss+sentinel", strings.Join(addrs, ","), "/"+SentinelMaster) +
			"&sentinel_user=" + s.security.User + "&sentinel_password=" + s.security.Password
	}

	// They know of each other and of the replicas.
	for _, watcher := range s.Watchers {
		if err := watcher.waitForAnswer(ctx, []string{"status=ok", "slaves=2,sentinels=3"}, "info", "sentinel"); err != nil {
			return s, err
		}
	}

	return s, nil
}

// Stop ends all of them.
func (s *Sentinel) Stop() {
	for _, r := range append(s.Watchers, s.Servers...) {
		r.Stop()
	}
}
