package durable_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// ticked is a job of a schedule: it knows its tick.
type ticked struct {
	Tick time.Time `json:"tick"`
}

func (ticked) Kind() string { return "test.ticked" }

func tick(t time.Time) queue.Args { return ticked{Tick: t} }

func schedule(spec string, o queue.Overlap) queue.Schedule {
	return queue.Schedule{Name: "chore", Spec: spec, Args: tick, CatchUp: time.Hour, Overlap: o}
}

func tickQueue(pool *pgxpool.Pool) *durable.Queue {
	return durable.New(pool, queue.NewKinds(queue.Policy{
		Args: ticked{}, Queue: "tests", Attempts: 1, Timeout: time.Second,
		Backoff: queue.Backoff{First: time.Second, Max: time.Second, Factor: 1},
		Final:   []string{}, Snooze: time.Second,
	}), durable.Options{})
}

// clocked is a schedule whose last tick was at a given time.
func clocked(t *testing.T, s queue.Schedule, last string) (*durable.Cron, *pgxpool.Pool) {
	t.Helper()

	pool := devtest.Postgres(t)
	c, err := durable.NewCron(tickQueue(pool), s)
	require.NoError(t, err)

	_, err = pool.Exec(t.Context(), `insert into schedule (name, last_tick) values ('chore', `+last+`)`)
	require.NoError(t, err)

	return c, pool
}

// ticks returns the ticks whose jobs were staged.
func ticks(t *testing.T, pool *pgxpool.Pool) []time.Time {
	t.Helper()

	rows, err := pool.Query(t.Context(), `select (args->>'tick')::timestamptz from job order by 1`)
	require.NoError(t, err)

	list, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	require.NoError(t, err)

	return list
}

func TestNewCron_Refuses(t *testing.T) {
	t.Parallel()

	q := tickQueue(nil)

	for _, spec := range []string{
		"* * * *", "@hourly", "@every 10", "@every 1500ms", "@every 0s", "TZ=Europe/Berlin 0 3 * * *", "61 * * * *", "0 0 31 2 *",
	} {
		_, err := durable.NewCron(q, schedule(spec, queue.Skip))
		require.Error(t, err, spec)
	}

	good := schedule("*/5 3 * * mon", queue.Skip)
	_, err := durable.NewCron(q, good)
	require.NoError(t, err)

	_, err = durable.NewCron(q, good, good)
	require.ErrorContains(t, err, "twice")

	for name, change := range map[string]func(*queue.Schedule){
		"no name":      func(s *queue.Schedule) { s.Name = "" },
		"no arguments": func(s *queue.Schedule) { s.Args = nil },
		"no catch-up":  func(s *queue.Schedule) { s.CatchUp = 0 },
		"unknown kind": func(s *queue.Schedule) { s.Args = func(time.Time) queue.Args { return probe{} } },
	} {
		s := good
		change(&s)

		_, err := durable.NewCron(q, s)
		require.Error(t, err, name)
	}
}

func TestCron_EveryIsAlignedToTheEpoch(t *testing.T) {
	t.Parallel()

	c, pool := clocked(t, schedule("@every 10m", queue.Allow), `now() - interval '35 minutes'`)

	n, err := c.Fire(t.Context(), "chore")
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, 3)

	got := ticks(t, pool)
	require.Len(t, got, n)

	for i, tick := range got {
		require.Zero(t, tick.Unix()%600, "%s", tick)
		require.True(t, i == 0 || tick.Sub(got[i-1]) == 10*time.Minute)
	}

	n, err = c.Fire(t.Context(), "chore")
	require.NoError(t, err)
	require.Zero(t, n, "each tick once")
}

func TestCron_CatchesUpWithinTheWindow(t *testing.T) {
	t.Parallel()

	c, pool := clocked(t, schedule("* * * * *", queue.Allow), `now() - interval '3 days'`)

	n, err := c.Fire(t.Context(), "chore")
	require.NoError(t, err)
	require.Equal(t, 60, n, "an hour of minutes; what is older was missed")

	got := ticks(t, pool)
	require.WithinDuration(t, time.Now().Add(-time.Hour), got[0], 62*time.Second)
	require.WithinDuration(t, time.Now(), got[59], 62*time.Second)
}

func TestCron_SkipsWhileTheLastJobLives(t *testing.T) {
	t.Parallel()

	c, pool := clocked(t, schedule("* * * * *", queue.Skip), `now() - interval '10 minutes'`)

	n, err := c.Fire(t.Context(), "chore")
	require.NoError(t, err)
	require.Equal(t, 1, n)

	again := func() int {
		_, err := pool.Exec(t.Context(), `update schedule set last_tick = now() - interval '2 minutes'`)
		require.NoError(t, err)

		n, err := c.Fire(t.Context(), "chore")
		require.NoError(t, err)

		return n
	}

	require.Zero(t, again())
	require.Len(t, ticks(t, pool), 1)

	_, err = pool.Exec(t.Context(), `delete from job`)
	require.NoError(t, err)
	require.Equal(t, 1, again(), "the last one is done")
}

func TestCron_List(t *testing.T) {
	t.Parallel()

	c, pool := clocked(t, schedule("0 3 * * *", queue.Skip), `date_trunc('day', now()) - interval '1 day'`)
	_, err := pool.Exec(t.Context(), `delete from schedule`)
	require.NoError(t, err)

	list, err := c.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Nil(t, list[0].LastRun)
	require.True(t, list[0].NextRun.After(time.Now()), "a schedule that is new has no past")
	require.Equal(t, 3, list[0].NextRun.UTC().Hour())
	require.Equal(t, "test.ticked", list[0].Kind)

	c, pool = clocked(t, schedule("* * * * *", queue.Skip), `now() - interval '2 minutes'`)

	list, err = c.List(t.Context())
	require.NoError(t, err)
	require.True(t, list[0].NextRun.Before(time.Now()), "due, and nobody has fired it")

	_, err = c.Fire(t.Context(), "chore")
	require.NoError(t, err)

	list, err = c.List(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), *list[0].LastRun, 10*time.Second)
	require.NotNil(t, list[0].LastJob)
	require.True(t, list[0].NextRun.After(time.Now().Add(-time.Second)))

	var id string
	require.NoError(t, pool.QueryRow(t.Context(), `select id::text from job`).Scan(&id))
	require.Equal(t, id, list[0].LastJob.String())
}

func TestCron_FireRefusesOthers(t *testing.T) {
	t.Parallel()

	c, _ := clocked(t, schedule("* * * * *", queue.Skip), `now()`)
	_, err := c.Fire(t.Context(), "chores")
	require.ErrorIs(t, err, durable.ErrUnknown)
}

// TestCronProve_EachTickOnce has three schedulers, each with connections of its own, fire a
// schedule of one second while now and then one of them is killed: its connections are cut
// wherever it happens to be.
func TestCronProve_EachTickOnce(t *testing.T) {
	t.Parallel()

	seconds, each := 20, 2*time.Second
	if os.Getenv("IMAGERUN_PROVE") == "1" {
		seconds, each = 200, 20*time.Second
	}

	url, _, _ := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, url)
	end, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)

	defer cancel()

	var (
		wg      sync.WaitGroup
		kills   = make(chan struct{})
		started = time.Now()
	)

	for range 3 {
		wg.Go(func() {
			for end.Err() == nil {
				killed(end, t, url, kills)
			}
		})
	}

	wg.Go(func() {
		for every := time.NewTicker(each); ; {
			select {
			case <-every.C:
			case <-end.Done():
				every.Stop()

				return
			}

			select {
			case kills <- struct{}{}:
			case <-end.Done():
			}
		}
	})
	wg.Wait()

	// One more look finds what the last dead one left.
	last, err := durable.NewCron(tickQueue(pool), schedule("@every 1s", queue.Allow))
	require.NoError(t, err)
	_, err = last.Fire(t.Context(), "chore")
	require.NoError(t, err)

	got := ticks(t, pool)
	require.GreaterOrEqual(t, len(got), seconds-2)
	require.WithinDuration(t, started, got[0], 3*time.Second)

	for i, tick := range got[1:] {
		require.Equal(t, time.Second, tick.Sub(got[i]), "tick %d is missing or there twice", i+1)
	}
}

// killed runs a scheduler until it is its turn to die, or ctx ends.
func killed(ctx context.Context, t *testing.T, url string, kills <-chan struct{}) {
	t.Helper()

	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Errorf("open pool: %v", err)

		return
	}
	defer pool.Close()

	c, err := durable.NewCron(tickQueue(pool), schedule("@every 1s", queue.Allow))
	if err != nil {
		t.Errorf("make cron: %v", err)

		return
	}

	alive, die := context.WithCancel(ctx)
	defer die()

	var wg sync.WaitGroup

	wg.Go(func() { _ = c.Run(alive) })
	wg.Go(func() {
		// Often enough for the three to meet, and for a death to come in the middle.
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				_, _ = c.Fire(alive, "chore") // cut off, or another is at it
			case <-alive.Done():
				tick.Stop()

				return
			}
		}
	})

	select {
	case <-kills:
	case <-ctx.Done():
	}

	die() // pgx closes a connection whose statement is cut off
	wg.Wait()
}
