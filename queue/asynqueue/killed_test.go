package asynqueue_test

import (
	"context"
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

// With these set, this test binary is a worker that never finishes a job.
const (
	workerPostgres = "ASYNQUEUE_TEST_POSTGRES"
	workerRedis    = "ASYNQUEUE_TEST_REDIS"
)

func killedWorker() int {
	ctx := context.Background()

	pool, err := postgres.Open(ctx, postgres.Options{URL: os.Getenv(workerPostgres)})
	if err != nil {
		return 1
	}

	client, err := asynqueue.Connect(os.Getenv(workerRedis), 0)
	if err != nil {
		return 1
	}

	q := durable.New(pool, kinds(), durable.Options{Pusher: asynqueue.NewPusher(client)})
	reg := queue.NewRegistry(kinds())
	queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error { select {} }))

	server, err := asynqueue.NewServer(client, durable.NewRunner(q, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{
		Groups: []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 1, Latency: true}},
	})
	if err != nil || server.Run(ctx) != nil {
		return 1
	}

	return 0
}

// TestKilledWorker is promise 5 with the intervals of production: kill -9, and the job runs
// again elsewhere within 12 s.
func TestKilledWorker(t *testing.T) {
	t.Parallel()

	app, _, _ := devtest.PostgresURLs(t)
	redisURL := devtest.Redis(t)

	client, err := asynqueue.Connect(redisURL, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	s := &system{t: t, pool: devtest.Pool(t, app), client: client, pusher: asynqueue.NewPusher(client)}
	s.queue = durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher})
	s.background(s.queue.Run)
	s.background(s.queue.Maintain)

	self, err := os.Executable()
	require.NoError(t, err)

	victim := exec.Command(self)
	victim.Env = append(os.Environ(), workerPostgres+"="+app, workerRedis+"="+redisURL)
	require.NoError(t, victim.Start())

	defer func() { _ = victim.Process.Kill(); _ = victim.Wait() }()

	id := s.stage()
	s.eventually(15*time.Second, func() bool { state, _ := s.state(id); return state == "running" })
	require.NoError(t, victim.Process.Kill())

	killed := time.Now()
	started := make(chan int, 1)

	s.worker(func(_ context.Context, job *queue.Job[probe]) error {
		started <- job.Attempt

		return nil
	}, asynqueue.ServerOptions{})

	select {
	case attempt := <-started:
		require.Equal(t, 1, attempt, "the kill spent no attempt")
		t.Logf("running again after %s", time.Since(killed))
	case <-time.After(12 * time.Second):
		require.Fail(t, "not running again within 12 s")
	}

	s.gone(2*time.Second, id)
	s.eventually(2*time.Second, func() bool { return len(s.counts()) == 0 })
}
