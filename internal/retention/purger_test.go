package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/retention"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a purger of the classes of a test, and the jobs that it works.
type bundle struct {
	*retention.Purger

	pool *pgxpool.Pool
	jobs *queuetest.Jobs
	log  bytes.Buffer
}

func setup(t *testing.T, classes ...retention.Class) *bundle {
	t.Helper()

	b := &bundle{pool: devtest.Postgres(t)}

	var err error

	b.Purger, err = retention.NewPurger(retention.Options{
		Log: slog.New(slog.NewTextHandler(&b.log, nil)), Slice: 200 * time.Millisecond,
	}, classes...)
	require.NoError(t, err)

	registry := queue.NewRegistry(jobs.Kinds())
	b.Register(registry)
	b.jobs = queuetest.New(t, b.pool, registry)

	return b
}

// purge stages what a schedule stages, and works it once.
func (b *bundle) purge(t *testing.T, args queue.Args) {
	t.Helper()

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, args)

		return err
	}))
	require.True(t, b.jobs.RunNext(t.Context()))
}

// runs returns how often the purger has counted a class as done, failed or neither.
func (b *bundle) runs(t *testing.T) (n float64) {
	t.Helper()

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.Collectors()[0])

	families, err := registry.Gather()
	require.NoError(t, err)

	for _, m := range families[0].GetMetric() {
		n += m.GetCounter().GetValue()
	}

	return n
}

// heap is a class of which some rows are over.
type heap struct {
	left, steps int
	fail        error                       // returned by each step that is to come
	meet        func(context.Context) error // called first by each step
}

func (h *heap) class(name string, cadence retention.Cadence) retention.Class {
	return retention.Class{Name: name, Purge: &retention.Purge{Cadence: cadence, Batch: 10, Step: h.step}}
}

func (h *heap) step(ctx context.Context, batch int) (int, error) {
	h.steps++

	if h.meet != nil {
		if err := h.meet(ctx); err != nil {
			return 0, err
		}
	}

	n := min(batch, h.left)
	h.left -= n

	return n, h.fail
}

func TestPurger_TakesItsCadenceInBatches(t *testing.T) {
	t.Parallel()

	often, hourly, daily := &heap{left: 5}, &heap{left: 25}, &heap{left: 10}
	b := setup(t, often.class("often", retention.Often), hourly.class("hourly", retention.Hourly), daily.class("daily", retention.Daily),
		retention.Class{Name: "elsewhere", Job: "upload.purge"}, retention.Class{Name: "young", NotYet: "nothing is so old"})

	b.purge(t, jobs.PurgeHourly{})
	require.Equal(t, []int{5, 0, 10}, []int{often.left, hourly.left, daily.left})
	require.Equal(t, 3, hourly.steps, "ten, ten and five: the fewer tell that nothing is left")

	b.purge(t, jobs.PurgeOften{})
	b.purge(t, jobs.PurgeDaily{})
	require.Equal(t, []int{0, 0, 0}, []int{often.left, hourly.left, daily.left})
	require.Equal(t, 2, daily.steps)
	require.Empty(t, b.jobs.Pending())

	require.NoError(t, testutil.CollectAndCompare(b.Collectors()[1], strings.NewReader(`
		# HELP imagerun_retention_purged_total What was deleted because its time was over, by class: rows, or users where these are taken one by one.
		# TYPE imagerun_retention_purged_total counter
		imagerun_retention_purged_total{class="daily"} 10
		imagerun_retention_purged_total{class="hourly"} 25
		imagerun_retention_purged_total{class="often"} 5
	`)))
}

// One class that cannot be purged keeps no other, before it or behind it.
func TestPurger_EachOnItsOwn(t *testing.T) {
	t.Parallel()

	hang := func(ctx context.Context) error {
		<-ctx.Done()

		return ctx.Err()
	}

	for name, broken := range map[string]*heap{
		"fails":  {fail: errors.New("it broke")},
		"panics": {meet: func(context.Context) error { panic("somebody@example.com") }},
		"hangs":  {meet: hang},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			before, behind := &heap{left: 30}, &heap{left: 30}
			b := setup(t, before.class("before", retention.Daily), broken.class("broken", retention.Daily), behind.class("behind", retention.Daily))

			b.purge(t, jobs.PurgeDaily{})
			require.Zero(t, before.left)
			require.Zero(t, behind.left)

			pending := b.jobs.Pending()
			require.Len(t, pending, 1, "it is tried again")
			require.Equal(t, 1, pending[0].Attempt)
			require.NotContains(t, b.log.String(), "somebody@example.com")

			require.NoError(t, testutil.CollectAndCompare(b.Collectors()[0], strings.NewReader(`
				# HELP imagerun_retention_runs_total Purges of a class, by class and outcome: done, more is left, or failed.
				# TYPE imagerun_retention_runs_total counter
				imagerun_retention_runs_total{class="before",outcome="done"} 1
				imagerun_retention_runs_total{class="before",outcome="failed"} 0
				imagerun_retention_runs_total{class="before",outcome="more"} 0
				imagerun_retention_runs_total{class="behind",outcome="done"} 1
				imagerun_retention_runs_total{class="behind",outcome="failed"} 0
				imagerun_retention_runs_total{class="behind",outcome="more"} 0
				imagerun_retention_runs_total{class="broken",outcome="done"} 0
				imagerun_retention_runs_total{class="broken",outcome="failed"} 1
				imagerun_retention_runs_total{class="broken",outcome="more"} 0
			`)))

			broken.fail, broken.meet = nil, nil

			b.jobs.Advance(time.Minute)
			b.jobs.RunAll(t.Context())
			require.Empty(t, b.jobs.Pending())
		})
	}
}

// A class with very much to delete lets the others have their turn, and the job goes on with it without an attempt spent.
func TestPurger_SharesTheTime(t *testing.T) {
	t.Parallel()

	endless, other := &heap{left: 1_000_000_000}, &heap{left: 30}
	b := setup(t, endless.class("endless", retention.Often), other.class("other", retention.Often))

	b.purge(t, jobs.PurgeOften{})
	require.NotZero(t, endless.left)
	require.Zero(t, other.left)

	pending := b.jobs.Pending()
	require.Len(t, pending, 1)
	require.Zero(t, pending[0].Attempt)

	endless.left = 30
	b.jobs.RunAll(t.Context())
	require.Zero(t, endless.left)
	require.Empty(t, b.jobs.Pending())
}

// A worker that is stopped in the middle loses nothing: another goes on with what is left, and no class is to blame.
func TestPurger_GoesOnAfterAStop(t *testing.T) {
	t.Parallel()

	var b *bundle

	first, second := &heap{left: 30}, &heap{left: 30}
	first.meet = func(ctx context.Context) error {
		if first.steps == 2 {
			b.jobs.Stop()
			<-ctx.Done()
		}

		return ctx.Err()
	}

	b = setup(t, first.class("first", retention.Hourly), second.class("second", retention.Hourly))
	b.purge(t, jobs.PurgeHourly{})
	require.Equal(t, []int{20, 30}, []int{first.left, second.left})
	require.Zero(t, b.runs(t))
	require.NotContains(t, b.log.String(), "level=ERROR")

	registry := queue.NewRegistry(jobs.Kinds())
	b.Register(registry)

	other := queuetest.New(t, b.pool, registry)
	other.RunAll(t.Context())
	require.Equal(t, []int{0, 0}, []int{first.left, second.left})
	require.Empty(t, other.Pending())
}

// The jobs that schedulers of the release before stage do what they did.
func TestFormer(t *testing.T) {
	t.Parallel()

	old, broken := &heap{left: 25}, &heap{fail: errors.New("it broke")}
	b := setup(t)

	registry := queue.NewRegistry(jobs.Kinds())
	queue.Register(registry, retention.Former[jobs.PurgeIdempotency](old.class("old", retention.Often)))
	queue.Register(registry, retention.Former[jobs.PurgeAuth](broken.class("broken", retention.Hourly)))
	b.jobs = queuetest.New(t, b.pool, registry)

	b.purge(t, jobs.PurgeIdempotency{})
	require.Zero(t, old.left)
	require.Empty(t, b.jobs.Pending())

	b.purge(t, jobs.PurgeAuth{})
	require.Len(t, b.jobs.Pending(), 1)
}

func TestNewPurger_Refuses(t *testing.T) {
	t.Parallel()

	fine := (&heap{}).class("fine", retention.Daily)
	_, err := retention.NewPurger(retention.Options{}, fine)
	require.NoError(t, err)

	for want, edit := range map[string]func(*retention.Class){
		"snake case":          func(c *retention.Class) { c.Name = "Of somebody" },
		"in one way":          func(c *retention.Class) { c.Purge = nil },
		"it must say in one":  func(c *retention.Class) { c.Job = "upload.purge" },
		"a step and a batch":  func(c *retention.Class) { c.Purge.Batch = 0 },
		"needs a step":        func(c *retention.Class) { c.Purge.Step = nil },
		`no cadence "weekly"`: func(c *retention.Class) { c.Purge.Cadence = "weekly" },
		"it is there twice":   func(c *retention.Class) { c.Name = "first" },
	} {
		c := (&heap{}).class("fine", retention.Daily)
		edit(&c)

		_, err := retention.NewPurger(retention.Options{}, (&heap{}).class("first", retention.Daily), c)
		require.ErrorContains(t, err, want)
	}
}
