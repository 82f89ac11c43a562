package asynqueue_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
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
			times[entry.Msg]++
		}
	}

	require.NotEmpty(t, times, "an outage is told of")
	require.Equal(t, 1, times["redis client said"], times)

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
