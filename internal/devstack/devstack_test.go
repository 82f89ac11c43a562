package devstack_test

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
)

// asVictim makes this test binary start servers, say where, and wait to be killed.
const asVictim = "IMAGERUN_DEVSTACK_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) == "" {
		devtest.Main(m)
	}

	if err := victim(); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func victim() error {
	var servers devstack.Private

	pg, err := servers.Postgres(context.Background())
	if err != nil {
		return err
	}

	r, err := servers.Redis(context.Background())
	if err != nil {
		return err
	}

	paused, err := servers.Redis(context.Background())
	if err != nil {
		return err
	}

	s3, err := servers.S3(context.Background())
	if err != nil {
		return err
	}

	// A stopped process is the hardest to end.
	paused.Pause()

	if err := json.NewEncoder(os.Stdout).Encode([]string{pg.OwnerURL, r.URL, paused.URL, s3.URL}); err != nil {
		return err
	}

	select {}
}

func TestServersEndWithTheirStarter(t *testing.T) {
	t.Parallel()

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asVictim+"=1")
	cmd.Stderr = os.Stderr

	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)

	var urls []string
	require.NoError(t, json.Unmarshal(line, &urls))
	require.Len(t, urls, 4)

	for _, u := range urls {
		require.True(t, listens(t, u), u)
	}

	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())

	for _, u := range urls {
		require.Eventually(t, func() bool { return !listens(t, u) }, 10*time.Second, 20*time.Millisecond, u)
	}
}

func listens(t *testing.T, rawURL string) bool {
	t.Helper()

	u, err := url.Parse(rawURL)
	require.NoError(t, err)

	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}

	return conn.Close() == nil
}

func TestRedis(t *testing.T) {
	t.Parallel()

	setup := func(t *testing.T) (*devstack.Redis, *redis.Client) {
		t.Helper()

		r := devtest.OwnRedis(t)
		c := redis.NewClient(&redis.Options{Addr: r.Addr, ReadTimeout: 200 * time.Millisecond, MaxRetries: -1, ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err())

		return r, c
	}

	t.Run("RestartKeepsData", func(t *testing.T) {
		t.Parallel()

		r, c := setup(t)
		require.NoError(t, r.Restart(t.Context(), true))
		require.Eventually(t, func() bool { return c.Get(t.Context(), "k").Val() == "v" }, 5*time.Second, 10*time.Millisecond)
	})

	t.Run("RestartLosesData", func(t *testing.T) {
		t.Parallel()

		r, c := setup(t)
		r.Kill()
		require.Error(t, c.Ping(t.Context()).Err())
		require.NoError(t, r.Restart(t.Context(), false))
		require.Eventually(t, func() bool { return c.Ping(t.Context()).Err() == nil }, 5*time.Second, 10*time.Millisecond)
		require.ErrorIs(t, c.Get(t.Context(), "k").Err(), redis.Nil)
	})

	t.Run("Pause", func(t *testing.T) {
		t.Parallel()

		r, c := setup(t)
		r.Pause()
		require.ErrorIs(t, c.Ping(t.Context()).Err(), os.ErrDeadlineExceeded)
		r.Continue()
		require.Eventually(t, func() bool { return c.Get(t.Context(), "k").Val() == "v" }, 5*time.Second, 10*time.Millisecond)
	})

	t.Run("Flush", func(t *testing.T) {
		t.Parallel()

		r, c := setup(t)
		require.NoError(t, r.Flush(t.Context()))
		require.ErrorIs(t, c.Get(t.Context(), "k").Err(), redis.Nil)
	})
}

func TestPostgres_Restart(t *testing.T) {
	t.Parallel()

	pg := devtest.OwnPostgres(t)
	pool := devtest.Pool(t, pg.AppURL)

	_, err := pool.Exec(t.Context(), "insert into generation_user (user_id) values (gen_random_uuid())")
	require.NoError(t, err)
	require.NoError(t, pg.Restart(t.Context()))
	require.Eventually(t, func() bool {
		var n int

		return pool.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&n) == nil && n == 1
	}, 5*time.Second, 10*time.Millisecond)

	pg.Stop()
	require.Error(t, pool.Ping(t.Context()))
	require.NoError(t, pg.Start(t.Context()))
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) == nil }, 5*time.Second, 10*time.Millisecond)
}

func TestStart(t *testing.T) {
	t.Parallel()

	// Beside the state folder's other contents: as root, Postgres could not enter t.TempDir.
	root, err := devstack.Root()
	require.NoError(t, err)

	state, err := filepath.EvalSymlinks(filepath.Join(root, ".imagerun", "state"))
	require.NoError(t, err)

	dir, err := os.MkdirTemp(state, "stack-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	options := devstack.Options{Dir: dir, Persistent: true, Log: slog.New(slog.DiscardHandler)}

	first, err := devstack.Start(t.Context(), options)
	require.NoError(t, err)

	// While it runs there is no second one.
	_, err = devstack.Start(t.Context(), options)
	require.ErrorContains(t, err, "already running: process "+strconv.Itoa(os.Getpid()))

	pool := devtest.Pool(t, first.Postgres.AppURL)
	_, err = pool.Exec(t.Context(), "insert into generation_user (user_id) values (gen_random_uuid())")
	require.NoError(t, err)
	pool.Close()

	c := redis.NewClient(&redis.Options{Addr: first.Redis.Addr})
	require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, c.Close())

	// No password, no entry.
	_, err = pgx.Connect(t.Context(), strings.Replace(first.Postgres.OwnerURL, ":"+password(t, first.Postgres.OwnerURL), "", 1))
	require.Error(t, err)

	info, err := os.Stat(filepath.Join(dir, "identity.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// As in data from before the role was there.
	owner, err := pgx.Connect(t.Context(), first.Postgres.OwnerURL)
	require.NoError(t, err)
	_, err = owner.Exec(t.Context(), "drop role worker")
	require.NoError(t, err)
	require.NoError(t, owner.Close(t.Context()))

	first.Stop()

	// A start that fails half way says why, and leaves nothing running that the next would meet.
	blocked := filepath.Join(dir, "redis")
	require.NoError(t, os.Rename(blocked, blocked+".away"))
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	_, err = devstack.Start(t.Context(), options)
	require.Error(t, err)
	require.NoError(t, os.Remove(blocked))
	require.NoError(t, os.Rename(blocked+".away", blocked))

	second, err := devstack.Start(t.Context(), options)
	require.NoError(t, err)
	defer second.Stop()

	require.Equal(t, first.Postgres.AppURL, second.Postgres.AppURL)
	require.Equal(t, first.Redis.URL, second.Redis.URL)
	require.Equal(t, []string{first.S3.URL, first.S3.AccessKey, first.S3.SecretKey, first.S3.Bucket},
		[]string{second.S3.URL, second.S3.AccessKey, second.S3.SecretKey, second.S3.Bucket})

	worker, err := pgx.Connect(t.Context(), second.Postgres.LoginURL("worker"))
	require.NoError(t, err)
	require.NoError(t, worker.Close(t.Context()))

	pool = devtest.Pool(t, second.Postgres.AppURL)

	var n int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&n))
	require.Equal(t, 1, n)

	c = redis.NewClient(&redis.Options{Addr: second.Redis.Addr})
	defer c.Close()
	require.Equal(t, "v", c.Get(t.Context(), "k").Val())

	killed := make(chan string, 2)

	second.Keep(t.Context(), func(name string, err error) {
		if err != nil {
			name = err.Error()
		}
		killed <- name
	})

	kill(t, firstLine(t, filepath.Join(dir, "postgres", "postmaster.pid")))
	require.Equal(t, "Postgres", <-killed)
	require.Eventually(t, func() bool { // the pool may still hold a connection of the one that was killed
		return pool.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&n) == nil && n == 1
	}, 5*time.Second, 10*time.Millisecond)

	_, id, _ := strings.Cut(c.Info(t.Context(), "server").Val(), "process_id:")
	kill(t, strings.Fields(id)[0])
	require.Equal(t, "Redis", <-killed)
	require.NoError(t, c.Set(t.Context(), "k", "w", 0).Err())
}

func firstLine(t *testing.T, file string) string {
	t.Helper()

	text, err := os.ReadFile(file)
	require.NoError(t, err)

	line, _, _ := strings.Cut(string(text), "\n")

	return line
}

func kill(t *testing.T, id string) {
	t.Helper()

	pid, err := strconv.Atoi(id)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func password(t *testing.T, rawURL string) string {
	t.Helper()

	u, err := url.Parse(rawURL)
	require.NoError(t, err)

	p, ok := u.User.Password()
	require.True(t, ok)

	return p
}

// What measures must not be told lies by a server that does not write.
func TestDurablePostgres(t *testing.T) {
	t.Parallel()

	var servers devstack.Private

	t.Cleanup(servers.Stop)

	pg, err := servers.DurablePostgres(t.Context())
	require.NoError(t, err)

	conn, err := pgx.Connect(t.Context(), pg.OwnerURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })

	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		var value string
		require.NoError(t, conn.QueryRow(t.Context(), "show "+setting).Scan(&value))
		require.Equal(t, "on", value, setting)
	}

	var dir string
	require.NoError(t, conn.QueryRow(t.Context(), "show data_directory").Scan(&dir))
	require.NotContains(t, dir, "/dev/shm", "memory is faster than any disk")
}
