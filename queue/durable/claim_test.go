package durable_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// TestRunner_ManyAtOnce works many jobs at once, some of them twice: each is
// begun once. A row that somebody has locked keeps only its own task waiting.
func TestRunner_ManyAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	var begun atomic.Int64

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		begun.Add(1)

		return nil
	}

	locked := b.stage()

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select 1 from job where id = $1 for update`, locked.ID)
	require.NoError(t, err)

	const jobs = 40

	var free, held sync.WaitGroup

	held.Go(func() { b.runner.Work(context.Background(), locked) })

	for range jobs {
		task := b.stage()
		for range 2 {
			free.Go(func() { b.runner.Work(context.Background(), task) })
		}
	}

	free.Wait()
	require.EqualValues(t, jobs, begun.Load())
	require.NotEqual(t, row{}, b.row(locked))
	require.NoError(t, tx.Rollback(t.Context()))
	held.Wait()
	b.gone(locked)
	b.eventually(time.Second, func() bool { return b.runner.InFlight() == 0 })
}

// lossyConn is a connection to Postgres whose next answer gets lost, once it is told so.
type lossyConn struct {
	net.Conn

	loses *atomic.Bool
}

func (c lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.loses.CompareAndSwap(true, false) {
		_ = c.Conn.Close()

		return 0, io.ErrUnexpectedEOF
	}

	return n, err
}

// TestRunner_ClaimWithoutAnAnswer: the claim was made, and nobody knows it. It is given back, and no lease is lost.
func TestRunner_ClaimWithoutAnAnswer(t *testing.T) {
	t.Parallel()

	for _, tasks := range []int{1, 5} {
		t.Run(fmt.Sprint(tasks), func(t *testing.T) {
			t.Parallel()

			var loses atomic.Bool

			cfg := devtest.Postgres(t).Config()
			cfg.MaxConns = 1 // so that each statement is prepared by the first round
			dial := cfg.ConnConfig.DialFunc
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)

				return lossyConn{conn, &loses}, err
			}

			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			require.NoError(t, err)
			t.Cleanup(pool.Close)

			b := setupOn(t, pool, durable.Timing{})
			first := b.start(durable.NewSlots(tasks), b.stageMany(tasks)...)
			b.eventually(5*time.Second, func() bool { return first.count(durable.Ack) == tasks })

			staged := b.stageMany(tasks)

			loses.Store(true)

			lost := b.start(durable.NewSlots(tasks), staged...)
			b.eventually(10*time.Second, func() bool { return lost.count(durable.PutBack) == tasks })

			for _, task := range staged {
				require.Equal(t, "pushed", b.row(task).State, "as if it had not been claimed")
			}

			again := b.start(durable.NewSlots(tasks), staged...)
			b.eventually(5*time.Second, func() bool { return again.count(durable.Ack) == tasks })
			b.gone(staged[0])
		})
	}
}

// TestRunner_SlowClaim: a claim that takes long is waited for, while the server answers at all.
func TestRunner_SlowClaim(t *testing.T) {
	t.Parallel()

	app, _, owner := devtest.PostgresURLs(t)
	_, err := devtest.Pool(t, owner).Exec(t.Context(), `
		create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(6); return new; end $$;
		create trigger slow before update on job for each row when (new.state = 'running' and old.state <> 'running') execute function slow()`)
	require.NoError(t, err)

	b := setupOn(t, devtest.Pool(t, app), durable.Timing{})
	b.background(b.runner.Run)

	task := b.stage()
	require.Equal(t, durable.Verdict{}, b.runner.Work(t.Context(), task))
	b.gone(task)
}
