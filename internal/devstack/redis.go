package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisDatabases is how many tests of one binary can have a database number of their own.
const redisDatabases = 4096

// Redis is a private server.
type Redis struct {
	URL      string // database 0
	Addr     string // host:port
	Security *Security

	workspace *workspace
	bin       string
	dir       string
	port      int
	tlsPort   int         // zero: none
	claims    []*fileLock // on its ports
	durable   bool        // append-only file
	args      []string    // of this kind of server; the first may be a configuration file
	process   *process
}

// redisOptions say what kind of server to start.
type redisOptions struct {
	durable       bool
	preferredPort int       // a port to try first
	security      *Security // nil: no TLS, no users
	args          []string  // the first may be a configuration file
}

func (p *workspace) newRedis(ctx context.Context, dir string, durable bool, preferredPort int) (*Redis, error) {
	return p.newRedisWith(ctx, dir, redisOptions{
		durable: durable, preferredPort: preferredPort, args: []string{"--databases", strconv.Itoa(redisDatabases)},
	})
}

// newSecureRedis starts a server whose URL is for a user with these rights alone, over TLS.
func (p *workspace) newSecureRedis(ctx context.Context, dir, rights string) (*Redis, error) {
	security, err := newSecurity(filepath.Join(dir, "tls"))
	if err != nil {
		return nil, err
	}

	r, err := p.newRedisWith(ctx, dir, redisOptions{security: security, args: security.userArgs(rights)})
	if err != nil {
		return nil, err
	}

	r.URL = security.URL("rediss", loopbackAddress(r.tlsPort), "/0")

	return r, nil
}

func (p *workspace) newRedisWith(ctx context.Context, dir string, o redisOptions) (*Redis, error) {
	bin, err := p.findRedis()
	if err != nil {
		return nil, err
	}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder of redis: %w", err)
	}

	r := &Redis{workspace: p, bin: bin, dir: dir, durable: o.durable, args: o.args, Security: o.security}
	if r.port, err = r.claimPort(o.preferredPort); err != nil {
		return nil, err
	}

	r.URL, r.Addr = "redis://"+loopbackAddress(r.port)+"/0", loopbackAddress(r.port)

	if o.security != nil {
		if r.tlsPort, err = r.claimPort(0); err != nil {
			r.releasePorts()

			return nil, err
		}

		r.args = append(slices.Clone(r.args), o.security.tlsArgs(r.tlsPort)...)
	}

	return r, r.start(ctx)
}

// claimPort takes a port for as long as the server is not stopped.
func (r *Redis) claimPort(preferredPort int) (int, error) {
	port, claim, err := r.workspace.claimPort(preferredPort)
	if err != nil {
		return 0, err
	}

	r.claims = append(r.claims, claim)

	return port, nil
}

func (r *Redis) releasePorts() {
	for _, claim := range r.claims {
		_ = claim.Close()
	}
}

func (r *Redis) start(ctx context.Context) error {
	client := r.newClient()
	defer client.Close()

	process, err := command{
		name: "redis-server", dir: r.dir, log: filepath.Join(r.dir, "redis.log"), stop: syscall.SIGTERM,
		args: append([]string{r.bin}, r.serverArgs()...),
	}.run(func(process *process) bool {
		if ctx.Err() != nil {
			process.sendSignal(syscall.SIGKILL)
		}

		info, err := client.Info(ctx, "server").Result()

		// The process id in the answer: another server cannot be mistaken for ours. While it
		// loads its data it answers this, but no ping.
		return err == nil && strings.Contains(info, "process_id:"+strconv.Itoa(process.processID())+"\r\n") && client.Ping(ctx).Err() == nil
	})
	if err != nil {
		r.releasePorts()

		return err
	}

	r.process = process

	return nil
}

func (r *Redis) serverArgs() []string {
	appendonly := "no"
	if r.durable {
		appendonly = "yes"
	}

	return append(slices.Clone(r.args),
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.dir,
		"--save", "", "--appendonly", appendonly, "--maxmemory-policy", "noeviction", "--daemonize", "no",
	)
}

func (r *Redis) newClient() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: r.Addr, MaxRetries: -1, DialTimeout: time.Second, PoolSize: 1})
}

// peerPort is what the server goes by among its likes.
func (r *Redis) peerPort() int {
	if r.Security != nil {
		return r.tlsPort
	}

	return r.port
}

// waitForAnswer waits until the answer to a command has all of these.
func (r *Redis) waitForAnswer(ctx context.Context, parts []string, command ...any) error {
	client := r.newClient()
	defer client.Close()

	err := waitUntil(ctx, func() bool {
		answer, err := client.Do(ctx, command...).Text()

		return err == nil && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(answer, part) })
	})
	if err != nil {
		return fmt.Errorf("redis does not say %s: %w", strings.Join(parts, ", "), err)
	}

	return nil
}

// waitReplicated waits until a replica holds what its master does.
func (r *Redis) waitReplicated(ctx context.Context) error {
	return r.waitForAnswer(ctx, []string{"master_link_status:up\r\n"}, "info", "replication")
}

// Restart ends the server and starts it again on the same port, with all it held (as if it
// had persisted everything) or with nothing.
func (r *Redis) Restart(ctx context.Context, keepData bool) error {
	if keepData && !r.durable {
		client := r.newClient()
		err := client.Save(ctx).Err()
		_ = client.Close()

		if err != nil {
			return fmt.Errorf("save redis: %w", err)
		}
	}

	if r.durable && keepData {
		r.process.end(syscall.SIGTERM)
	} else {
		r.process.end(syscall.SIGKILL)
	}

	if !keepData {
		if err := r.removeData(); err != nil {
			return err
		}
	}

	return r.start(ctx)
}

// removeData removes what the server has on disk.
func (r *Redis) removeData() error {
	err := os.Remove(filepath.Join(r.dir, "dump.rdb"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("empty redis: %w", err)
	}

	if err := os.RemoveAll(filepath.Join(r.dir, "appendonlydir")); err != nil {
		return fmt.Errorf("empty redis: %w", err)
	}

	return nil
}

// Kill ends the server at once, as kill -9 does. [Redis.Restart] with false starts it again.
func (r *Redis) Kill() { r.process.end(syscall.SIGKILL) }

// Pause stops the server from answering; connections stay open and nothing is refused.
func (r *Redis) Pause() { r.process.sendSignal(syscall.SIGSTOP) }

// Continue ends a [Redis.Pause].
func (r *Redis) Continue() { r.process.sendSignal(syscall.SIGCONT) }

// Flush empties every database of the server.
func (r *Redis) Flush(ctx context.Context) error {
	client := r.newClient()
	defer client.Close()

	return client.FlushAll(ctx).Err()
}

// Stop ends the server: orderly if its data is kept, else at once.
func (r *Redis) Stop() {
	if r.durable {
		r.process.end(syscall.SIGTERM)
	} else {
		r.process.end(syscall.SIGKILL)
	}

	r.releasePorts()
}
