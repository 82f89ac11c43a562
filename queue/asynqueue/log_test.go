package asynqueue_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// With this set, TestLogTo_RedisAway is the process that it looks at.
const childLogs = "ASYNQUEUE_TEST_LOGS"

// TestLogTo_RedisAway reads all that a scheduler and worker write to standard error while Redis goes
// away for six seconds: lines of its log, each with a text of its own, none again and again, none
// with what the URL holds.
func TestLogTo_RedisAway(t *testing.T) {
	t.Parallel()

	if os.Getenv(childLogs) != "" {
		logAway(t)

		return
	}

	app, _, _ := devtest.PostgresURLs(t)
	rights, _ := documented(t)
	own := devtest.OwnSecureRedis(t, rights)
	self, err := os.Executable()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()

	var out bytes.Buffer

	cmd := exec.CommandContext(ctx, self, "-test.run=^TestLogTo_RedisAway$")
	cmd.Env = append(os.Environ(), childLogs+"=1", childPostgres+"="+app, childRedis+"="+own.URL)
	cmd.Stderr = &out
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	said := bufio.NewScanner(stdout)
	require.True(t, said.Scan())
	require.Equal(t, "ready", said.Text())
	own.Kill()
	<-time.After(6 * time.Second)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), "it was killed")

	times := map[string]int{}

	for line := range bytes.Lines(out.Bytes()) {
		var entry struct{ Level, Msg, Text string }

		require.NoError(t, json.Unmarshal(line, &entry), "not of the log: %s", line)
		require.NotContains(t, string(line), own.Security.Password)
		require.NotContains(t, string(line), own.Security.CA)

		if entry.Level != "INFO" {
			times[entry.Msg+": "+entry.Text]++
		}
	}

	require.NotEmpty(t, times, "an outage is told of")
	require.Contains(t, out.String(), "failed to dial", "in the words of the client")

	for msg, n := range times {
		require.LessOrEqual(t, n, 2, "%s: %s", msg, out.String()) // one for each asynq server
	}
}

// logAway is a scheduler and a worker, until it is killed.
func logAway(t *testing.T) {
	t.Helper()

	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	asynqueue.LogTo(log)

	pool, err := postgres.Open(t.Context(), postgres.Options{URL: os.Getenv(childPostgres), AppName: "test"})
	require.NoError(t, err)

	t.Cleanup(pool.Close)

	client, err := asynqueue.Connect(os.Getenv(childRedis), 0)
	require.NoError(t, err)

	s := &system{t: t, pool: pool, client: client, pusher: asynqueue.NewPusher(client)}
	s.queue = durable.New(pool, kinds(), durable.Options{Pusher: s.pusher, Log: log})
	pauses := asynqueue.NewPauses(s.pusher, durable.NewAdmin(s.queue), log)

	reg := queue.NewRegistry(kinds())
	queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error { return nil }))

	server, err := asynqueue.NewServer(client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{Log: log}), asynqueue.ServerOptions{
		Groups: []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 4}},
		Log:    log, FinishWithin: time.Second, ExitWithin: 3 * time.Second,
	})
	require.NoError(t, err)

	for _, loop := range []func(context.Context) error{s.queue.Run, s.queue.Maintain, pauses.Run, server.Run} {
		s.background(loop)
	}

	s.eventually(10*time.Second, server.Ready)
	s.gone(10*time.Second, s.stage())

	_, _ = os.Stdout.WriteString("ready\n")

	<-t.Context().Done() // it is killed
}

// What go-redis repeats is said once in a while, hides nothing else that it says, and has no password.
func TestLogTo_EachText(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	l := asynqueue.NewRedisLogger(slog.New(slog.NewJSONHandler(&out, nil)))

	for range 3 {
		l.Printf(t.Context(), "failed to dial after %d attempts: %v", 5, errors.New("redis://somebody:secret@host:6379: refused"))
	}

	l.Printf(t.Context(), "sentinel: new master=%q addr=%q", "jobs", "10.0.0.7:6379")
	l.Printf(t.Context(), "%s", "circuit breaker opened")

	var texts []string

	for line := range strings.Lines(out.String()) {
		var entry struct{ Level, Msg, Text string }

		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		require.Equal(t, "redis client said", entry.Msg)
		require.Equal(t, "WARN", entry.Level)

		texts = append(texts, entry.Text)
	}

	require.Equal(t, []string{
		"failed to dial after 5 attempts: redis://[redacted]@host:6379: refused",
		`sentinel: new master="jobs" addr="10.0.0.7:6379"`,
		"circuit breaker opened",
	}, texts)
}
