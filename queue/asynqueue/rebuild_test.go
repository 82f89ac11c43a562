package asynqueue_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// TestRebuild takes from Redis what it holds, with the intervals of production and while jobs
// wait, are delayed and run: each job's effect happens once all the same, within seconds, and
// no running job is begun a second time.
func TestRebuild(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(context.Context, *devstack.Redis) error{
		"FlushAll":           func(ctx context.Context, r *devstack.Redis) error { return r.Flush(ctx) },
		"RestartWithoutData": func(ctx context.Context, r *devstack.Redis) error { return r.Restart(ctx, false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			own := devtest.OwnRedis(t)
			s := setup(t, own.URL, durable.Timing{})
			s.maintain()

			const running, waiting = 3, 100

			started, lost := make(chan uuid.UUID, running), make(chan struct{})

			var begun, ended atomic.Int64

			s.worker(func(ctx context.Context, job *queue.Job[probe]) error {
				if begun.Add(1) <= running {
					started <- job.ID
					<-lost
				}

				return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
					if err := job.Complete(ctx, tx); err != nil {
						return err
					}

					ended.Add(1)

					return nil
				})
			}, asynqueue.ServerOptions{Groups: []asynqueue.Group{
				{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: running},
			}})

			for range running {
				s.stage()
				<-started
			}

			for i := range waiting {
				s.stage(durable.After(time.Duration(i%3) * time.Second))
			}

			s.eventually(10*time.Second, func() bool { c := s.counts(); return c["pending"]+c["scheduled"] == waiting })
			require.NoError(t, lose(t.Context(), own))

			at := time.Now()

			close(lost)
			s.eventually(15*time.Second, func() bool {
				var left int

				require.NoError(t, s.pool.QueryRow(context.Background(), `select count(*) from job`).Scan(&left))

				return left == 0
			})
			t.Logf("%d jobs worked within %s of the loss", running+waiting, time.Since(at))

			require.EqualValues(t, running+waiting, ended.Load())
			require.EqualValues(t, running+waiting, begun.Load(), "none was begun twice")
			s.eventually(10*time.Second, func() bool { return len(s.counts()) == 0 })

			queues, err := s.client.SMembers(t.Context(), "asynq:queues").Result()
			require.NoError(t, err)
			require.Equal(t, []string{"tests"}, queues, "the dashboard lists them again")
		})
	}
}

// TestRebuild_OneTaskKeyLost has the hash of one task evicted: asynq would keep it in its active
// list for ever and stop recovering others.
func TestRebuild_OneTaskKeyLost(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{Overdue: time.Second, Reconcile: 200 * time.Millisecond})
	pending, delayed := s.stage(), s.stage(durable.After(time.Second))

	s.eventually(5*time.Second, func() bool { c := s.counts(); return c["pending"] == 1 && c["scheduled"] == 1 })

	for _, id := range []uuid.UUID{pending, delayed} {
		require.NoError(t, s.client.Del(t.Context(), "asynq:{tests}:t:"+id.String()+":1").Err())
	}

	var runs atomic.Int64

	s.worker(func(context.Context, *queue.Job[probe]) error {
		runs.Add(1)

		return nil
	}, asynqueue.ServerOptions{})
	s.background(s.queue.Maintain)
	s.gone(15*time.Second, pending)
	s.gone(15*time.Second, delayed)
	require.EqualValues(t, 2, runs.Load())
	s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })
}

// TestProveRebuild_Many: Redis is emptied while very many jobs wait in it. Each is pushed anew once, whoever notices.
func TestProveRebuild_Many(t *testing.T) {
	t.Parallel()

	jobs := 5_000
	if proving() {
		jobs = 300_000
	}

	for _, schedulers := range []int{1, 3} {
		t.Run(fmt.Sprint(schedulers), func(t *testing.T) {
			t.Parallel()

			// No task goes missing by itself, so that only the loss of all is found.
			s := setup(t, devtest.OwnRedis(t).URL, durable.Timing{Overdue: time.Hour})

			_, err := s.pool.Exec(t.Context(), `insert into job (kind, queue, args, state, run_at)
				select 'test.probe', 'tests', '{}', 'pushed', clock_timestamp() - random() * interval '1 hour' from generate_series(1, $1::int)`, jobs)
			require.NoError(t, err)

			began := time.Now()

			for range schedulers {
				s.background(durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher, Timing: durable.Timing{Overdue: time.Hour}}).Maintain)
			}

			var left bool

			s.eventually(5*time.Minute, func() bool {
				require.NoError(t, s.pool.QueryRow(context.Background(), `select exists (select from job where state <> 'pushed' or epoch <> 2)`).Scan(&left))

				return !left
			})
			t.Logf("%d tasks were rebuilt by %d schedulers within %s", jobs, schedulers, time.Since(began).Round(100*time.Millisecond))

			require.Equal(t, map[string]int64{"pending": int64(jobs)}, s.counts())
		})
	}
}
