package apptest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/falsim"
)

// soak is a product under load while what it stands on is taken away again and again.
type soak struct {
	*apptest.Product

	t         *testing.T
	pg        *devstack.Postgres
	redis     *devstack.Redis
	users     []*apptest.User
	scheduler *apptest.Binary // the second
	client    *http.Client

	accepted, refused atomic.Int64

	mu      sync.Mutex
	workers []*apptest.Binary // guarded by mu
	faults  []fault           // guarded by mu
}

// fault is a time in which a server was away, or a job in the hand of a worker that was.
type fault struct{ from, to time.Time }

// TestProveSoak has 200 generations a minute made by four workers and two schedulers while a worker is killed each
// 15 seconds, Redis emptied each 3 minutes and Postgres restarted each 5. Nothing is lost, doubled, orphaned or
// mischarged, nothing grows that should not, and between faults everything begins at once. The long form takes 20 minutes.
func TestProveSoak(t *testing.T) {
	t.Parallel()

	lasts, kill, flush, restart, each := 25*time.Second, 7*time.Second, 11*time.Second, 18*time.Second, time.Second
	if proving() {
		lasts, kill, flush, restart, each = 20*time.Minute, 15*time.Second, 3*time.Minute, 5*time.Minute, 300*time.Millisecond
	}

	s := newSoak(t)
	ctx, cancel := context.WithTimeout(t.Context(), lasts)

	defer cancel()

	var wg sync.WaitGroup

	every := func(d time.Duration, do func(n int)) {
		wg.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()

			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					do(n)
				}
			}
		})
	}

	every(each, func(n int) { wg.Go(func() { s.submit(n) }) })
	every(kill, s.killWorker)
	every(flush, func(int) { s.during(5*time.Second, func() error { return s.redis.Flush(context.Background()) }) })
	every(restart, func(int) { s.during(20*time.Second, func() error { return s.pg.Restart(context.Background()) }) })
	every(lasts/10, func(int) { s.logSizes() })
	wg.Wait()

	t.Logf("%d generations accepted, %d tries refused while something was away; %d faults", s.accepted.Load(), s.refused.Load(), len(s.faults))
	require.Eventually(t, func() bool { return s.Count(t, `select count(*) from ai_task where finished_at is null`) == 0 },
		3*time.Minute, 200*time.Millisecond, "not all generations end")
	require.EqualValues(t, s.accepted.Load(), s.Count(t, `select count(*) from ai_task`), "each was accepted once")

	requireAllOver(t, s.Product)
	requireSubmitsAccountedFor(t, s.Product)
	require.Eventually(t, func() bool { return s.Count(t, `select count(*) from job`) == 0 }, time.Minute, 200*time.Millisecond,
		"jobs do not come to an end, or were set aside")
	require.Eventually(t, s.tidy, time.Minute, 200*time.Millisecond, "Redis keeps tasks of no job")
	s.Quiet(t)
	s.CheckObjects(t)
	s.logSizes()
	s.checkStarts()
}

func newSoak(t *testing.T) *soak {
	t.Helper()

	s := &soak{t: t, client: &http.Client{Timeout: 30 * time.Second}, pg: devtest.OwnPostgres(t), redis: devtest.OwnRedis(t)}
	s.Product = apptest.Start(t, apptest.Options{
		Workers: -1, Binaries: true, Redis: s.redis.URL, Postgres: s.pg,
		Config: map[string]string{"generation.deadline": "5m", "log.level": "warn"},
		Fal:    falsim.Options{Seed: 7, Duration: time.Second, MaxLog: 200_000, Knobs: falsim.Knobs{Jitter: 0.5}},
	})
	s.scheduler = s.Spawn(t, app.Scheduler())

	for range 4 {
		s.workers = append(s.workers, s.Spawn(t, app.Worker()))
	}

	for range 10 {
		s.users = append(s.users, s.SignUp(t, "studio"))
	}

	return s
}

// submit asks for a generation until it is accepted, as a client with an idempotency key does.
func (s *soak) submit(n int) {
	u, key := s.users[n%len(s.users)], uuid.NewString()

	body, err := json.Marshal(map[string]any{
		"model": "z-image-turbo", "prompt": fmt.Sprintf("lighthouse number %d", n), "quality": "draft", "width": 256, "height": 256,
	})
	if err != nil {
		s.t.Error(err)

		return
	}

	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/v1/generations", bytes.NewReader(body))
		if err != nil {
			s.t.Error(err)

			return
		}

		r.Header.Set("Authorization", "Bearer "+u.Key)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)

		reply, err := s.client.Do(r)
		if err == nil {
			_ = reply.Body.Close()

			if reply.StatusCode == http.StatusAccepted {
				s.accepted.Add(1)

				return
			}
		}

		s.refused.Add(1)
		<-time.After(500 * time.Millisecond)
	}

	s.t.Errorf("generation %d was not accepted within two minutes", n)
}

// killWorker kills one of the workers as a power cut does, and starts another in its place.
func (s *soak) killWorker(n int) {
	s.mu.Lock()
	victim := s.workers[n%len(s.workers)]
	s.mu.Unlock()

	// What it had is begun again within 12 seconds.
	s.during(12*time.Second, func() error {
		victim.Kill()

		return nil
	})

	heir := s.Spawn(s.t, app.Worker())

	s.mu.Lock()
	defer s.mu.Unlock()

	s.workers[n%len(s.workers)] = heir
}

// during does something whose effects last a while.
func (s *soak) during(lasts time.Duration, do func() error) {
	from := time.Now()

	if err := do(); err != nil {
		s.t.Error(err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.faults = append(s.faults, fault{from, time.Now().Add(lasts)})
}

// logSizes says how large everything is that must not grow.
func (s *soak) logSizes() {
	opts, err := redis.ParseURL(s.redis.URL)
	if err != nil {
		s.t.Error(err)

		return
	}

	client := redis.NewClient(opts)
	defer client.Close()

	keys, _ := client.DBSize(context.Background()).Result()

	var jobs, job, task int64

	_ = s.Pool.QueryRow(context.Background(), `select (select count(*) from job), pg_total_relation_size('job'), pg_total_relation_size('ai_task')`).Scan(&jobs, &job, &task)

	memory := func(url string) float64 { return s.Metric(s.t, url, "process_resident_memory_bytes") / 1e6 }

	s.t.Logf("%d accepted; %d jobs in %d kB; tasks in %d kB; %d keys in Redis; api %.0f MB, scheduler %.0f MB",
		s.accepted.Load(), jobs, job>>10, task>>10, keys, memory(s.OpsURL), memory(s.scheduler.OpsURL))
}

// tidy reports whether Redis holds no task, those that killed workers had in hand included.
func (s *soak) tidy() bool {
	for _, q := range s.Dashboard(s.t) {
		if q.Pending+q.Active+q.Scheduled+q.Retry > 0 {
			return false
		}
	}

	return true
}

// checkStarts demands that what was accepted while nothing was away began within a second.
func (s *soak) checkStarts() {
	rows, err := s.Pool.Query(s.t.Context(), `select t.created_at, min(a.created_at) from ai_task t join provider_attempt a on a.task_id = t.id group by t.id`)
	require.NoError(s.t, err)
	defer rows.Close()

	var (
		quiet, all       int
		longest, overall time.Duration
	)

	for rows.Next() {
		var accepted, began time.Time
		require.NoError(s.t, rows.Scan(&accepted, &began))

		took := began.Sub(accepted)
		all++
		overall = max(overall, took)

		if !s.disturbed(accepted, began) {
			quiet++
			longest = max(longest, took)
		}
	}

	require.NoError(s.t, rows.Err())
	s.t.Logf("from accepted to begun: at most %s of %d outside faults, %s of all %d", longest, quiet, overall, all)
	require.Positive(s.t, quiet)

	if proving() { // a machine that does much else at once starts processes for longer than a second
		require.Less(s.t, longest, time.Second)
	}
}

func (s *soak) disturbed(from, to time.Time) bool {
	for _, f := range s.faults {
		if from.Before(f.to) && to.After(f.from) {
			return true
		}
	}

	return false
}
