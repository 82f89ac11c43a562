package sweep_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/internal/storage/sweep"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

// nightly stages a sweep on a bundle and returns its jobs.
func nightly(t *testing.T, b *bundle, edit func(*sweep.Deps)) *queuetest.Jobs {
	t.Helper()

	d := sweep.Deps{Sweeper: b.Sweeper, Pool: b.pool, Log: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&d)
	}

	registry := queue.NewRegistry(jobs.Kinds())
	queue.Register(registry, sweep.NewHandler(d))
	work := queuetest.New(t, b.pool, registry)

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := work.Queue().Stage(t.Context(), tx, jobs.SweepObjects{})

		return err
	}))

	return work
}

// TestNightly_GoesOnAfterAKill ends a sweep of more than a page of S3's in its middle.
func TestNightly_GoesOnAfterAKill(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var keys, strays []string

	for i := range 560 { // two objects each: more than S3 lists at once
		p := b.row(t, "succeeded", "stored")
		keys = append(keys, p.key, p.thumbnail)

		if i%20 == 0 {
			strays = append(strays, b.orphan())
		}
	}

	b.put(t, keys...)
	b.put(t, strays...)

	jobs := nightly(t, b, func(d *sweep.Deps) { d.Options.Page = 100 })
	b.bucket.page = func() error {
		if len(b.bucket.afters) == 5 {
			return errors.New("killed")
		}

		return nil
	}

	require.True(t, jobs.RunNext(t.Context()))
	require.Len(t, b.bucket.afters, 5)

	var cursor string

	require.NoError(t, b.pool.QueryRow(t.Context(), `select cursor from object_sweep where finished_at is null`).Scan(&cursor))
	require.Equal(t, b.bucket.afters[4], cursor, "four pages are done")

	// Another worker has the job.
	require.True(t, jobs.RunNextEarly(t.Context()))
	require.Empty(t, jobs.Pending())
	require.Equal(t, cursor, b.bucket.afters[5])
	require.ElementsMatch(t, keys, b.keys(t))

	r, ok, err := sweep.Last(t.Context(), b.pool)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []int64{1148, 1120, 28, 28}, []int64{r.Objects, r.Records, r.Orphans, r.Deleted}, "nothing is counted twice")
	require.True(t, r.Settled())
}

// A slice that is over lets others have the worker's place, and keeps its own.
func TestNightly_InSlices(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for range 4 {
		b.whole(t)
	}

	b.put(t, b.orphan())

	jobs := nightly(t, b, func(d *sweep.Deps) { d.Options.Page, d.Slice = 2, time.Nanosecond })

	require.True(t, jobs.RunNext(t.Context()))
	require.Len(t, b.bucket.afters, 1)
	require.Zero(t, jobs.Pending()[0].Attempt, "nothing failed")
	require.Greater(t, jobs.RunAll(t.Context()), 3)
	require.Len(t, b.keys(t), 8)
	require.IsIncreasing(t, b.bucket.afters)

	r, ok, err := sweep.Last(t.Context(), b.pool)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []int64{9, 1}, []int64{r.Objects, r.Deleted})
}

func TestNightly_TooMuchIsWrong(t *testing.T) {
	t.Parallel()

	b := setup(t)

	keys := make([]string, 120)
	for i := range keys {
		keys[i] = b.orphan()
	}

	b.put(t, keys...)

	jobs := nightly(t, b, nil)
	require.Equal(t, 1, jobs.RunAll(t.Context()))
	require.Len(t, jobs.Dead(), 1, "trying again would not help: an operator looks")
	require.Len(t, b.keys(t), 120)

	_, ok, err := sweep.Last(t.Context(), b.pool)
	require.NoError(t, err)
	require.False(t, ok, "it never came to its end")
}

func TestNightly_StoreIsAway(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.whole(t)
	b.bucket.page = func() error { return errors.New("away") }

	jobs := nightly(t, b, nil)
	require.Equal(t, 1, jobs.RunAll(t.Context()))
	require.Equal(t, 1, jobs.Pending()[0].Attempt)

	b.bucket.page = nil
	require.True(t, jobs.RunNextEarly(t.Context()))
	require.Empty(t, jobs.Pending())
}

func TestCollector(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := sweep.Collector(b.pool, slog.New(slog.DiscardHandler))
	require.Zero(t, testutil.CollectAndCount(c), "no sweep yet")

	b.whole(t)
	b.put(t, b.orphan(), "other")
	b.row(t, "succeeded", "stored")
	nightly(t, b, nil).RunAll(t.Context())

	require.Equal(t, 1, testutil.CollectAndCount(c, "imagerun_sweep_finished_timestamp_seconds"))
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP imagerun_sweep_found What the last sweep found that was not as it should be.
# TYPE imagerun_sweep_found gauge
imagerun_sweep_found{finding="back"} 0
imagerun_sweep_found{finding="foreign"} 1
imagerun_sweep_found{finding="leftover"} 0
imagerun_sweep_found{finding="lost"} 2
imagerun_sweep_found{finding="orphan"} 1
imagerun_sweep_found{finding="young"} 0
# HELP imagerun_sweep_left What the last sweep should have removed and could not.
# TYPE imagerun_sweep_left gauge
imagerun_sweep_left{finding="leftover"} 0
imagerun_sweep_left{finding="orphan"} 0
# HELP imagerun_sweep_seen How many objects, and keys in the tables, the last sweep compared.
# TYPE imagerun_sweep_seen gauge
imagerun_sweep_seen{side="object"} 4
imagerun_sweep_seen{side="record"} 4
`), "imagerun_sweep_found", "imagerun_sweep_left", "imagerun_sweep_seen"))

	// What an operator did by hand counts as well; a dry run does not.
	end := time.Now().UTC().Add(30 * 24 * time.Hour).Truncate(time.Microsecond)
	require.NoError(t, sweep.Keep(t.Context(), b.pool, sweep.Report{StartedAt: end, FinishedAt: &end, DryRun: true, Objects: 8}))
	require.NoError(t, sweep.Keep(t.Context(), b.pool, sweep.Report{StartedAt: end, FinishedAt: &end, Objects: 9}))

	r, ok, err := sweep.Last(t.Context(), b.pool)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(9), r.Objects)
}

// Reports of long ago go, some at a time.
func TestRetention_ForgetsOldReports(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for range 3 {
		old := time.Now().UTC().Add(-100 * 24 * time.Hour)
		require.NoError(t, sweep.Keep(t.Context(), b.pool, sweep.Report{StartedAt: old, FinishedAt: &old}))
	}

	nightly(t, b, nil).RunAll(t.Context())

	h := sweep.NewHandler(sweep.Deps{Sweeper: b.Sweeper, Pool: b.pool, Log: slog.New(slog.DiscardHandler)})

	for _, want := range []int{2, 1, 0} {
		n, err := h.Retention()[1].Purge.Step(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}

	var young, old int

	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) filter (where started_at >= now() - interval '90 days'),
		count(*) filter (where started_at < now() - interval '90 days') from object_sweep`).Scan(&young, &old))
	require.Equal(t, 1, young)
	require.Zero(t, old)
}
