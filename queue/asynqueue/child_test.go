package asynqueue_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// With these set, this test binary is a worker that tests may kill.
const (
	childMode     = "ASYNQUEUE_TEST_MODE"
	childPostgres = "ASYNQUEUE_TEST_POSTGRES"
	childRedis    = "ASYNQUEUE_TEST_REDIS"
)

// What such a worker does.
const (
	hangs     = "hangs"     // takes one job and never finishes it
	hangsSoon = "hangssoon" // is stuck between taking a task from Redis and claiming its job
	effects   = "effects"   // writes a row into effect for each job and completes it
	dies      = "dies"      // takes half a second for each job, and dies of some
)

// child is a worker process.
type child struct{ cmd *exec.Cmd }

func startChild(t *testing.T, mode, postgresURL, redisURL string) *child {
	t.Helper()

	c, err := newChild(mode, postgresURL, redisURL)
	require.NoError(t, err)
	t.Cleanup(c.kill)

	return c
}

func newChild(mode, postgresURL, redisURL string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}

	c := &child{exec.Command(self)}
	c.cmd.Env = append(os.Environ(), childMode+"="+mode, childPostgres+"="+postgresURL, childRedis+"="+redisURL)

	return c, c.cmd.Start()
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// beChild is the worker's main function.
func beChild(mode string) error {
	ctx := context.Background()

	pool, err := postgres.Open(ctx, postgres.Options{URL: os.Getenv(childPostgres), MaxConns: 20})
	if err != nil {
		return err
	}

	if mode == hangsSoon {
		cfg := pool.Config()
		cfg.ConnConfig.Tracer = stuckAtClaim{}

		if pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
			return err
		}
	}

	client, err := asynqueue.Connect(os.Getenv(childRedis), 40)
	if err != nil {
		return err
	}

	q := durable.New(pool, kinds(), durable.Options{Pusher: asynqueue.NewPusher(client)})
	reg := queue.NewRegistry(kinds())
	group := asynqueue.Group{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: 1}

	switch mode {
	case effects:
		group.Concurrency = 10

		queue.Register(reg, handler(func(ctx context.Context, job *queue.Job[probe]) error { return effect(ctx, pool, job) }))

		go func() { _ = q.Run(ctx) }()
	case dies:
		group.Concurrency = 20

		queue.Register(reg, handler(func(_ context.Context, job *queue.Job[probe]) error {
			if job.Args.ID[0] == killer {
				os.Exit(1)
			}

			<-time.After(500 * time.Millisecond) // the work

			return nil
		}))

		go func() { _ = q.Run(ctx) }()
	default:
		queue.Register(reg, handler(func(context.Context, *queue.Job[probe]) error { select {} }))
	}

	server, err := asynqueue.NewServer(client, durable.NewRunner(q, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{
		Groups: []asynqueue.Group{group},
	})
	if err != nil {
		return err
	}

	return server.Run(ctx)
}

// effect is a handler whose effect must happen once. It takes its time, so that kills find it.
func effect(ctx context.Context, pool *pgxpool.Pool, job *queue.Job[probe]) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into effect (job) values ($1)`, job.ID); err != nil {
			return err
		}

		if _, err := tx.Exec(ctx, `select pg_sleep(0.05)`); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// stuckAtClaim is a failpoint: the process says where it is by its connection's name and stays
// there until it is killed.
type stuckAtClaim struct{}

func (stuckAtClaim) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "name: JobClaim") {
		fmt.Fprintln(os.Stderr, "stuck at claim")
		select {}
	}

	return ctx
}

func (stuckAtClaim) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// proving reports whether the long forms of the proofs are wanted.
func proving() bool { return os.Getenv("IMAGERUN_PROVE") != "" }

// effectTables makes the tables that the proofs compare: what was accepted and what was done.
func effectTables(t *testing.T, ownerURL string) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	conn, err := pgx.Connect(ctx, ownerURL)
	require.NoError(t, err)

	defer func() { _ = conn.Close(ctx) }()

	_, err = conn.Exec(ctx, `
		create table accepted (job uuid not null);
		create table effect (job uuid not null);
		grant select, insert on accepted, effect to public`)
	require.NoError(t, err)
}
