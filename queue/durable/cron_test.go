package durable_test

import (
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
	require.Equal(t, "staged", list[0].LastState)
	require.Empty(t, list[0].LastError)
}

// What has become of the last run is told as long as its job has a row, and then it is done.
func TestCron_ListSaysWhatBecameOfTheLastRun(t *testing.T) {
	t.Parallel()

	c, pool := clocked(t, schedule("* * * * *", queue.Skip), `now() - interval '2 minutes'`)

	list, err := c.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list[0].LastState, "it has not run yet")

	_, err = c.Fire(t.Context(), "chore")
	require.NoError(t, err)

	for _, step := range []struct{ do, state, code string }{
		{`update job set state = 'retrying', attempt = 1, error_code = 'broken'`, "retrying", "broken"},
		{`update job set canceling = true`, "canceling", "broken"},
		{`update job set state = 'dead', canceling = false, died_at = now()`, "dead", "broken"},
		{`delete from job`, "done", ""},
	} {
		_, err = pool.Exec(t.Context(), step.do)
		require.NoError(t, err)

		list, err = c.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.state, list[0].LastState)
		require.Equal(t, step.code, list[0].LastError)
	}
}

func TestCron_FireRefusesOthers(t *testing.T) {
	t.Parallel()

	c, _ := clocked(t, schedule("* * * * *", queue.Skip), `now()`)
	_, err := c.Fire(t.Context(), "chores")
	require.ErrorIs(t, err, durable.ErrUnknown)
}
