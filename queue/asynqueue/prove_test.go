package asynqueue_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// world is one run of the proof: jobs are accepted while four workers are killed in turn and the
// stores are emptied and restarted under them.
type world struct {
	*system

	redisURL, postgresURL string

	jobs     int
	accepted atomic.Int64 // jobs whose commit was confirmed

	random *rand.Rand // of the nemesis
	kills  int
}

// TestProveExactlyOnce is promises 1, 2, 3 and 6 under fire. Each transaction records the jobs it
// accepts, each handler its effect: the two tables must say the same in the end.
// IMAGERUN_SEED repeats a run's choices.
func TestProveExactlyOnce(t *testing.T) {
	t.Parallel()

	jobs := 2_000
	if proving() {
		jobs = 20_000
	}

	seed, err := strconv.ParseUint(os.Getenv("IMAGERUN_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}

	t.Logf("IMAGERUN_SEED=%d", seed)

	redis, pg := devtest.OwnRedis(t), devtest.OwnPostgres(t)
	effectTables(t, pg.OwnerURL)

	client, err := asynqueue.Connect(redis.URL, 0)
	require.NoError(t, err)

	w := &world{
		system:   &system{t: t, pool: devtest.Pool(t, pg.AppURL), client: client, pusher: asynqueue.NewPusher(client)},
		redisURL: redis.URL, postgresURL: pg.AppURL, jobs: jobs,
		random: rand.New(rand.NewPCG(seed, 0)),
	}
	t.Cleanup(w.closeClient)
	w.queue = durable.New(w.pool, kinds(), durable.Options{Pusher: w.pusher})
	w.background(w.queue.Run)
	w.background(w.queue.Maintain)

	start := time.Now()
	w.run(seed,
		func(ctx context.Context) error { return redis.Flush(ctx) },
		func(ctx context.Context) error { return redis.Restart(ctx, false) },
		pg.Restart,
		func(ctx context.Context) error { return redis.Flush(ctx) },
	)

	interrupted := w.events("lost")
	t.Logf("%d jobs, %d kills of which %d runs were interrupted, quiet after %s", jobs, w.kills, interrupted, time.Since(start).Round(time.Millisecond))
	require.Positive(t, interrupted)
	w.check()
}

// run accepts all jobs while the nemesis is at work, one disaster after the other, and returns
// when no job is left.
func (w *world) run(seed uint64, disasters ...func(context.Context) error) {
	w.t.Helper()

	var producers sync.WaitGroup

	const producing = 4
	for i := range producing {
		producers.Go(func() { w.produce(rand.New(rand.NewPCG(seed, uint64(i)+1)), w.jobs/producing) })
	}

	workers := make([]*child, 4)
	for i := range workers {
		workers[i] = startChild(w.t, effects, w.postgresURL, w.redisURL)
	}

	each := time.NewTicker(time.Second)
	defer each.Stop()

	deadline := time.Now().Add(10 * time.Minute)

	for done := 0; done < len(disasters) || w.accepted.Load() < int64(w.jobs); <-each.C {
		require.True(w.t, time.Now().Before(deadline), "jobs are still being accepted")

		i := w.random.IntN(len(workers))
		workers[i].kill()
		workers[i] = startChild(w.t, effects, w.postgresURL, w.redisURL)
		w.kills++

		if done < len(disasters) && w.accepted.Load() >= int64(w.jobs*(done+1)/(len(disasters)+1)) {
			require.NoError(w.t, disasters[done](w.t.Context()))

			done++
		}
	}

	producers.Wait()
	require.Eventually(w.t, func() bool { return w.count(`select count(*) from job where state <> 'dead'`) == 0 },
		2*time.Minute, 100*time.Millisecond)
}

// produce accepts n jobs, some transactions of several, some rolled back, some with an outcome
// that nobody hears.
func (w *world) produce(random *rand.Rand, n int) {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()

	for n > 0 {
		<-tick.C

		batch, abandon := min(n, 1+random.IntN(4)), random.IntN(10) == 0

		err := postgres.InTx(context.Background(), w.pool, func(tx *postgres.Tx) error {
			for range batch {
				id, err := w.queue.Stage(context.Background(), tx, probe{ID: uuid.New()})
				if err != nil {
					return err
				}

				if _, err := tx.Exec(context.Background(), `insert into accepted (job) values ($1)`, id); err != nil {
					return err
				}
			}

			if abandon {
				return context.Canceled
			}

			return nil
		})
		if err == nil {
			n -= batch
			w.accepted.Add(int64(batch))
		}
	}
}

// count returns -1 when Postgres does not answer.
func (w *world) count(sql string) (n int) {
	if err := w.pool.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		return -1
	}

	return n
}

// check compares what was accepted with what was done.
func (w *world) check() {
	w.t.Helper()

	accepted, done := w.count(`select count(*) from accepted`), w.count(`select count(*) from effect`)
	lost := w.count(`select count(*) from accepted where job not in (select job from effect)`)
	invented := w.count(`select count(*) from effect where job not in (select job from accepted)`)
	doubled := w.count(`select count(*) - count(distinct job) from effect`)
	dead, left := w.count(`select count(*) from job where state = 'dead'`), w.count(`select count(*) from job where state <> 'dead'`)

	w.t.Logf("accepted %d, effects %d, lost %d, doubled %d, of nobody %d, set aside %d, left %d",
		accepted, done, lost, doubled, invented, dead, left)
	require.GreaterOrEqual(w.t, accepted, w.jobs)
	require.Equal(w.t, accepted, done)
	require.Equal(w.t, []int{0, 0, 0, 0, 0}, []int{lost, doubled, invented, dead, left})
}

// events returns how often this process's loops counted something about a job.
func (w *world) events(name string) (n int) {
	w.t.Helper()

	registry := prometheus.NewRegistry()
	registry.MustRegister(w.queue.Collectors()...)

	families, err := registry.Gather()
	require.NoError(w.t, err)

	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "queue_job_events_total" && l.GetName() == "event" && l.GetValue() == name {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
	}

	return n
}
