package asynqueue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// TestServer_RollingRestart replaces three workers one after the other under load, as a deploy
// does. Some jobs outlast what a stopping worker gives them and are handed on: nothing is lost,
// no effect is doubled, no attempt is spent, and no job waits longer than two seconds for a worker.
func TestServer_RollingRestart(t *testing.T) {
	t.Parallel()

	app, _, owner := devtest.PostgresURLs(t)
	effectTables(t, owner)

	client, err := asynqueue.Connect(devtest.Redis(t), 0)
	require.NoError(t, err)

	s := &world{system: &system{t: t, pool: devtest.Pool(t, app), client: client, pusher: asynqueue.NewPusher(client)}}
	t.Cleanup(s.closeClient)
	s.queue = durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher})
	s.background(s.queue.Run)
	s.background(s.queue.Maintain)

	var (
		mu      sync.Mutex
		longest time.Duration // guarded by mu: from staged to started
		handed  int           // guarded by mu: runs that a shutdown ended
	)

	work := func(ctx context.Context, job *queue.Job[probe]) error {
		if job.Attempt != 1 {
			t.Errorf("job %s spent an attempt", job.ID)
		}

		var waited time.Duration

		err := s.pool.QueryRow(ctx, `select clock_timestamp() - staged_at from job where id = $1`, job.ID).Scan(&waited)
		if err != nil {
			return err
		}

		mu.Lock()
		longest = max(longest, waited)
		mu.Unlock()

		// One job in eight takes longer than a stopping worker waits.
		d := 20 * time.Millisecond
		if job.ID[15]%8 == 0 {
			d = 1500 * time.Millisecond
		}

		select {
		case <-time.After(d):
		case <-ctx.Done():
			mu.Lock()
			handed++
			mu.Unlock()

			return context.Cause(ctx)
		}

		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `insert into effect (job) values ($1)`, job.ID); err != nil {
				return err
			}

			return job.Complete(ctx, tx)
		})
	}

	start := func() func() error {
		_, stop := s.worker(work, asynqueue.ServerOptions{FinishWithin: 300 * time.Millisecond, ExitWithin: 10 * time.Second})

		return stop
	}
	workers := []func() error{start(), start(), start()}

	load, stopLoad := context.WithCancel(t.Context())

	var producer sync.WaitGroup

	producer.Go(func() {
		for tick := time.NewTicker(10 * time.Millisecond); load.Err() == nil; <-tick.C {
			err := postgres.InTx(context.WithoutCancel(load), s.pool, func(tx *postgres.Tx) error {
				id, err := s.queue.Stage(context.WithoutCancel(load), tx, probe{})
				if err != nil {
					return err
				}

				_, err = tx.Exec(context.WithoutCancel(load), `insert into accepted (job) values ($1)`, id)

				return err
			})
			if err != nil {
				t.Errorf("accept a job: %v", err)
			}
		}
	})

	// The new one starts before the old one stops.
	for range 2 {
		for i, stop := range workers {
			done := s.count(`select count(*) from effect`)
			require.Eventually(t, func() bool {
				return s.count(`select count(*) from effect`) > done+50 && s.count(`select count(*) from job where state = 'running'`) > 5
			}, 20*time.Second, 10*time.Millisecond)

			workers[i] = start()

			require.NoError(t, stop())
		}
	}

	stopLoad()
	producer.Wait()
	require.Eventually(t, func() bool { return s.count(`select count(*) from job`) == 0 }, 30*time.Second, 20*time.Millisecond)

	require.Positive(t, s.count(`select count(*) from accepted`))
	require.Zero(t, s.count(`select count(*) from (table accepted except table effect) x`), "lost")
	require.Zero(t, s.count(`select count(*) from (select job from effect group by job having count(*) > 1) x`), "doubled")
	require.Zero(t, s.count(`select count(*) from (table effect except table accepted) x`), "made up")

	mu.Lock()
	defer mu.Unlock()

	require.Positive(t, handed, "no job was handed on: the test shows nothing")
	t.Logf("%d jobs, %d handed on, longest wait %s", s.count(`select count(*) from accepted`), handed, longest)
	require.Less(t, longest, devtest.Patience(2*time.Second))
}
