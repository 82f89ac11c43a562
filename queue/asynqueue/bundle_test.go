package asynqueue_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		if err := beChild(mode); err != nil {
			os.Exit(1)
		}

		os.Exit(0)
	}

	devtest.Main(m)
}

// probe is the kind that these tests work: its handler is whatever the test says.
type probe struct {
	ID uuid.UUID `json:"id"`
}

func (probe) Kind() string { return "test.probe" }

type handler = queue.HandlerFunc[probe]

func kinds() queue.Kinds {
	return queue.NewKinds(queue.Policy{
		Args: probe{}, Queue: "tests", Attempts: 3, Timeout: 2 * time.Minute,
		Backoff: queue.Backoff{First: time.Second, Max: time.Minute, Factor: 2},
		Final:   []string{}, Snooze: time.Second,
	})
}

// system is one Postgres and one Redis with whatever processes a test starts on them.
type system struct {
	t      *testing.T
	pool   *pgxpool.Pool
	client redis.UniversalClient
	pusher *asynqueue.Pusher
	queue  *durable.Queue

	engineLeft bool // asynq may still use the client, and panics when that is closed
}

// closeClient is registered before what uses the client, so that it runs after all of that.
func (s *system) closeClient() {
	if !s.engineLeft {
		_ = s.client.Close()
	}
}

func setup(t *testing.T, redisURL string, timing durable.Timing) *system {
	t.Helper()

	client, err := asynqueue.Connect(redisURL, 0)
	require.NoError(t, err)

	s := &system{t: t, pool: devtest.Postgres(t), client: client, pusher: asynqueue.NewPusher(client)}
	t.Cleanup(s.closeClient)
	s.queue = durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher, Timing: timing})
	s.background(s.queue.Run)

	return s
}

// background runs fn until the test ends or the returned function is called, which waits for it.
func (s *system) background(fn func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)

	go func() { done <- fn(ctx) }()

	stop = sync.OnceValue(func() error {
		cancel()

		err := <-done
		s.engineLeft = s.engineLeft || errors.Is(err, asynqueue.ErrEngineLeft) || errors.Is(err, asynqueue.ErrHandlersLeft)

		if errors.Is(err, asynqueue.ErrEngineLeft) {
			return nil
		}

		return err
	})

	s.t.Cleanup(func() { require.NoError(s.t, stop()) })

	return stop
}

// maintain starts what a scheduler does, and waits for its first look at Redis: an empty one is one
// that has lost everything, so that jobs get new epochs then.
func (s *system) maintain() (stop func() error) {
	s.t.Helper()

	stop = s.background(s.queue.Maintain)
	s.eventually(10*time.Second, func() bool {
		return s.client.HExists(context.Background(), "durable:{tests}:mark", "whole").Val()
	})

	return stop
}

// worker starts a worker process, so to speak; o's groups are filled in.
func (s *system) worker(h handler, o asynqueue.ServerOptions) (server *asynqueue.Server, stop func() error) {
	s.t.Helper()

	reg := queue.NewRegistry(kinds())
	queue.Register(reg, h)

	if o.Groups == nil {
		o.Groups = []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 10}}
	}

	server, err := asynqueue.NewServer(s.client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{}), o)
	require.NoError(s.t, err)

	return server, s.background(server.Run)
}

func (s *system) stage(opts ...durable.StageOption) (id uuid.UUID) {
	s.t.Helper()

	require.NoError(s.t, postgres.InTx(s.t.Context(), s.pool, func(tx *postgres.Tx) (err error) {
		id, err = s.queue.Stage(s.t.Context(), tx, probe{}, opts...)

		return err
	}))

	return id
}

// state returns a job's state and epoch; a job that is gone has neither.
func (s *system) state(id uuid.UUID) (state string, epoch int) {
	err := s.pool.QueryRow(context.Background(), `select state, epoch from job where id = $1`, id).Scan(&state, &epoch)
	if err != nil && err != pgx.ErrNoRows { //nolint:errorlint // pgx returns the value itself
		s.t.Errorf("look at job: %v", err)
	}

	return state, epoch
}

func (s *system) eventually(within time.Duration, cond func() bool) {
	s.t.Helper()
	require.Eventually(s.t, cond, devtest.Patience(within), 5*time.Millisecond)
}

func (s *system) gone(within time.Duration, id uuid.UUID) {
	s.t.Helper()
	s.eventually(within, func() bool { state, _ := s.state(id); return state == "" })
}

// counts returns how many tasks asynq has in each state, without zeros.
func (s *system) counts() map[string]int64 {
	s.t.Helper()

	all, err := s.pusher.Counts(s.t.Context(), []string{"tests"})
	require.NoError(s.t, err)

	counts := map[string]int64{}

	for _, c := range all {
		if c.N > 0 {
			counts[c.State] = c.N
		}
	}

	return counts
}
