package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"imagerun/internal/config"
	"imagerun/internal/devstack"
)

// buildPrograms builds the product's processes, and this one for the sake of its child, and returns their folder.
func buildPrograms(ctx context.Context) (string, error) {
	root, err := devstack.Root()
	if err != nil {
		return "", err
	}

	dir := filepath.Join(root, ".imagerun", "bench-bin")

	for from, what := range map[string][]string{root: {"./cmd/api", "./cmd/worker", "./cmd/scheduler"}, filepath.Join(root, "bench"): {"."}} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", dir + string(filepath.Separator)}, what...)...)
		cmd.Dir = from

		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the programs: %w\n%s", err, out)
		}
	}

	return dir, nil
}

// program is a process of its own, whose memory is its own.
type program struct {
	cmd      *exec.Cmd
	lifeline io.Closer
	out      *safeBuffer
}

func startProgram(dir, name string, env map[string]string, args ...string) (*program, error) {
	p := &program{out: &safeBuffer{}}
	if len(args) == 0 {
		args = []string{"--with-parent"}
	}

	p.cmd = exec.Command(filepath.Join(dir, name), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}

	for key, value := range env {
		p.cmd.Env = append(p.cmd.Env, config.Variable(key)+"="+value)
	}

	var err error
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}

	return p, p.cmd.Start()
}

// stop ends the process: it does when its input ends, or is made to.
func (p *program) stop() {
	_ = p.lifeline.Close()

	kill := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()

	_ = p.cmd.Wait() // how it ends does not matter any more
}

// readMemory returns a figure of the process's memory, such as VmRSS or VmHWM, in MB (proc(5)).
func (p *program) readMemory(field string) (float64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}

	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 64)

			return n * 1024 / 1e6, err
		}
	}

	return 0, fmt.Errorf("the system does not say %s", field)
}

// readTail returns the end of what the process said.
func (p *program) readTail() string {
	text := p.out.String()

	return text[max(0, len(text)-2000):]
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

// Write implements [io.Writer].
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.b.Write(p)
}

// String returns everything so far.
func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.b.String()
}

// productEnv configures the product's processes as in production, but for addresses.
func productEnv(ctx context.Context, db, redis, fal string, store *devstack.S3, slots int) (map[string]string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}

	env := map[string]string{
		"env": "development", "log.level": "warn", "postgres.url": db, "redis.url": redis,
		"http.addr": addr, "http.public_url": "http://" + addr,
		"ops.addr": "127.0.0.1:0", "ops.user": "bench", "ops.password": "a password of the bench",
		"auth.url": "http://127.0.0.1:9", "auth.secret": "a secret of sessions that no client has",
		"generation.callback_secret": "a secret that signs only the callbacks of a bench",
	}
	maps.Copy(env, map[string]string{
		"fal.key": simKey, "fal.queue_url": fal + "/queue", "fal.rest_url": fal + "/rest", "fal.api_url": fal + "/v1",
		"fal.media_hosts": "127.0.0.1", "fal.allow_private_media": "true", "fal.slots": strconv.Itoa(slots),
		"fal.webhook_url": "http://" + addr, "fal.webhook_user_id": simUser,
		"storage.endpoint": store.URL, "storage.region": store.Region, "storage.bucket": store.Bucket,
		"storage.access_key": store.AccessKey, "storage.secret_key": store.SecretKey,
	})

	return env, nil
}

// waitWithin asks each d until the answer is yes, for no longer than limit.
func waitWithin(ctx context.Context, limit, d time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	t := time.NewTicker(d)
	defer t.Stop()

	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for too long: %w", ctx.Err())
		case <-t.C:
		}
	}
}
