package asynqueue_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// TestProveKilledWorker is promise 5 with the intervals of production: kill -9, and the job runs
// again elsewhere within 12 s, without having spent an attempt. Every second process dies between
// taking the task from Redis and claiming the job.
func TestProveKilledWorker(t *testing.T) {
	t.Parallel()

	rounds, kills := 1, 4
	if proving() {
		rounds, kills = 5, 10
	}

	app, _, _ := devtest.PostgresURLs(t)
	redisURL := devtest.Redis(t)

	var (
		worst [2]time.Duration // by where it was killed: in the handler, before the claim
		mu    sync.Mutex
	)

	for range rounds {
		client, err := asynqueue.Connect(redisURL, 0)
		require.NoError(t, err)

		s := &system{t: t, pool: devtest.Pool(t, app), client: client, pusher: asynqueue.NewPusher(client)}
		t.Cleanup(s.closeClient)
		s.queue = durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher})
		stopRun := s.background(s.queue.Run)
		stopMaintain := s.maintain()

		ids, victims := make([]uuid.UUID, kills), make([]*child, kills)

		for i := range kills {
			// Each takes one job, so the next job is the next process's.
			victims[i] = startChild(t, []string{hangs, hangsSoon}[i%2], app, redisURL)
			ids[i] = s.stage()
			s.eventually(15*time.Second, func() bool {
				if i%2 == 0 {
					state, _ := s.state(ids[i])

					return state == "running"
				}

				state, _ := s.client.HGet(t.Context(), "asynq:{tests}:t:"+ids[i].String()+":1", "state").Result()

				return state == "active"
			})
		}

		killed := map[uuid.UUID]time.Time{}

		for i, v := range victims {
			v.kill()

			killed[ids[i]] = time.Now()
		}

		var back sync.WaitGroup

		back.Add(kills)

		_, stopWorker := s.worker(func(_ context.Context, job *queue.Job[probe]) error {
			mu.Lock()
			defer mu.Unlock()

			for i, id := range ids {
				if id == job.ID {
					worst[i%2] = max(worst[i%2], time.Since(killed[id]))
				}
			}

			if job.Attempt == 1 {
				back.Done()
			}

			return nil
		}, asynqueue.ServerOptions{})

		for _, id := range ids {
			s.gone(30*time.Second, id)
		}

		back.Wait()
		s.eventually(5*time.Second, func() bool { return len(s.counts()) == 0 })

		for _, stop := range []func() error{stopWorker, stopMaintain, stopRun} {
			require.NoError(t, stop())
		}
	}

	t.Logf("%d kills; running again, p100: %s after dying in the handler, %s after dying before the claim",
		rounds*kills, worst[0].Round(time.Millisecond), worst[1].Round(time.Millisecond))
	require.LessOrEqual(t, max(worst[0], worst[1]), devtest.Patience(12*time.Second))
}

// killer is the first byte of the id in the arguments of a job that its worker dies of.
const killer = 0xee

// TestKillers has jobs that kill whoever touches them among others, which three workers work that somebody
// starts again: the killers are set aside, and none of the others is.
func TestKillers(t *testing.T) {
	t.Parallel()

	for name, killers := range map[string]int{"One": 1, "Two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			app, _, _ := devtest.PostgresURLs(t)
			redisURL := devtest.OwnRedis(t).URL

			client, err := asynqueue.Connect(redisURL, 0)
			require.NoError(t, err)

			s := &system{t: t, pool: devtest.Pool(t, app), client: client, pusher: asynqueue.NewPusher(client)}
			t.Cleanup(s.closeClient)
			s.queue = durable.New(s.pool, kinds(), durable.Options{Pusher: s.pusher})
			s.background(s.queue.Run)
			s.maintain()

			deaths := s.supervise(3, app, redisURL)

			const innocents = 60

			for i := range innocents {
				stageOf(t, s, probe{ID: uuid.UUID{1, byte(i)}})

				if i%20 == 10 && i/20 < killers {
					stageOf(t, s, probe{ID: uuid.UUID{killer, byte(i)}})
				}
			}

			count := func(where string) (n int) {
				require.NoError(t, s.pool.QueryRow(context.Background(), `select count(*) from job where `+where).Scan(&n))

				return n
			}

			s.eventually(3*time.Minute, func() bool {
				return count(`true`) == killers && count(`state = 'dead' and error_code = 'poison'`) == killers
			})
			t.Logf("workers died %d times", deaths.Load())
			require.EqualValues(t, 3*killers, deaths.Load())
		})
	}
}

// supervise keeps n workers running that die of some jobs, until the test ends, and counts deaths.
func (s *system) supervise(n int, postgresURL, redisURL string) *atomic.Int64 {
	var (
		deaths atomic.Int64
		all    sync.WaitGroup
	)

	stopped, stop := context.WithCancel(context.Background())

	for range n {
		all.Go(func() {
			for stopped.Err() == nil {
				c, err := newChild(dies, postgresURL, redisURL)
				if err != nil {
					s.t.Errorf("start a worker: %v", err)

					return
				}

				ended := make(chan struct{})

				go func() {
					defer close(ended)

					_ = c.cmd.Wait()
				}()

				select {
				case <-ended:
					deaths.Add(1)
				case <-stopped.Done():
					_ = c.cmd.Process.Kill()
					<-ended
				}
			}
		})
	}

	s.t.Cleanup(func() {
		stop()
		all.Wait()
	})

	return &deaths
}
