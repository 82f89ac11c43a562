package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/storage"
	"imagerun/internal/storage/sweep"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

// killedHow in the environment makes this test binary a worker that dies in the middle of a sweep.
const killedHow = "SWEEP_TEST_KILLED"

// death is where and when such a worker dies.
type death struct {
	URL   string
	Store devtest.Bucket
	Step  int64 // the nth statement, or call of the bucket
	After bool  // it was done; else it was not
}

// registry works the nightly sweep, ten objects at a time.
func registry(b *bundle, bucket sweep.Bucket) *queue.Registry {
	now := func() time.Time { return time.Now().Add(b.ahead) }
	r := queue.NewRegistry(jobs.Kinds())
	queue.Register(r, sweep.NewHandler(sweep.Deps{
		Sweeper: sweep.New(bucket, now, b.images), Pool: b.pool, Log: slog.New(slog.DiscardHandler), Options: sweep.Options{Page: 10},
	}))

	return r
}

// TestNightly_Killed kills a worker, as kill -9 does, before and after every statement and every call
// of the bucket that a sweep makes. The worker that has the job next ends it: orphans are gone, what is lost is
// marked, nothing else is touched, and nothing is counted twice.
func TestNightly_Killed(t *testing.T) { //nolint:tparallel // the process that dies is no test
	if how := os.Getenv(killedHow); how != "" {
		die(t, how)

		return
	}

	t.Parallel()

	for when, after := range map[string]bool{"Before": false, "After": true} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()

			url, _, _ := devtest.PostgresURLs(t)
			b := setupOn(t, devtest.Pool(t, url), devtest.S3(t))
			b.addUser(t)

			var keep []string

			for range 12 {
				p := b.whole(t)
				keep = append(keep, p.key, p.thumbnail)
			}

			n := int64(1)

			for died := true; died; n++ {
				gone := b.row(t, "succeeded", "stored") // and never put
				lost := []string{gone.key, gone.thumbnail}
				b.put(t, b.orphan(), b.orphan())

				died = b.killed(t, death{URL: url, Store: b.store, Step: n, After: after})

				require.ElementsMatch(t, keep, b.keys(t), "step %d", n)
				require.ElementsMatch(t, lost, b.lost(t), "step %d", n)

				r, ok, err := sweep.Last(t.Context(), b.pool)
				require.NoError(t, err)
				require.True(t, ok)
				require.EqualValues(t, len(keep)+len(lost), r.Records, "step %d", n)
				require.EqualValues(t, len(lost), r.Lost, "step %d", n)
				require.LessOrEqual(t, r.Objects, int64(len(keep)+2), "step %d", n)
				require.GreaterOrEqual(t, r.Objects, int64(len(keep)), "what was deleted before it was counted, step %d", n)
				require.LessOrEqual(t, r.Deleted, int64(2), "step %d", n)
				require.Equal(t, r.Orphans, r.Deleted)

				_, err = b.pool.Exec(t.Context(), `with i as (delete from ai_image where task_id = $1) delete from ai_task where id = $1`, gone.task)
				require.NoError(t, err)
			}

			t.Logf("died at each of %d steps", n-2)
			require.Greater(t, n, int64(20), "steps that it died at")
		})
	}
}

// killed has a worker die in a sweep, and another one end it. False: the first came to its end.
func (b *bundle) killed(t *testing.T, d death) bool {
	t.Helper()

	how, err := json.Marshal(d)
	require.NoError(t, err)

	self, err := os.Executable()
	require.NoError(t, err)

	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestNightly_Killed$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), killedHow+"="+string(how))
	out, err := cmd.CombinedOutput()

	var exit *exec.ExitError

	died := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL //nolint:forcetypeassert // on every Unix
	if !died {
		require.NoError(t, err, "%+v: %s", d, out)
	}

	work := queuetest.New(t, b.pool, registry(b, b.bucket))
	work.Recover()
	work.RunAll(t.Context())
	require.Empty(t, work.Pending(), "%+v", d)
	require.Empty(t, work.Dead(), "%+v", d)

	return died
}

// die is the worker.
func die(t *testing.T, how string) {
	t.Helper()

	var d death
	require.NoError(t, json.Unmarshal([]byte(how), &d))

	k := &killer{at: d.Step, after: d.After}
	cfg := devtest.Pool(t, d.URL).Config()
	cfg.ConnConfig.Tracer = k

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool, d.Store)
	work := queuetest.New(t, pool, registry(b, &deadly{Bucket: b.bucket, k: k}))

	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := work.Queue().Stage(t.Context(), tx, jobs.SweepObjects{})

		return err
	}))

	k.armed.Store(true)
	work.RunAll(t.Context())
	k.armed.Store(false)
}

// killer ends the process, as kill -9 does, at a step.
type killer struct {
	at    int64
	after bool

	armed atomic.Bool
	n     atomic.Int64
}

// step counts, and reports whether this is the one.
func (k *killer) step() bool {
	if !k.armed.Load() {
		return false
	}

	last := k.n.Add(1) == k.at
	if last && !k.after {
		kill()
	}

	return last
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

type lastKey struct{}

func (k *killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, lastKey{}, k.step())
}

func (k *killer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if last, _ := ctx.Value(lastKey{}).(bool); last {
		kill()
	}
}

// deadly is a bucket whose calls are steps.
type deadly struct {
	sweep.Bucket

	k *killer
}

func (d *deadly) around(call func() error) error {
	last := d.k.step()
	err := call()

	if last {
		kill()
	}

	return err
}

func (d *deadly) Page(ctx context.Context, after string, limit int) (objects []storage.Object, more bool, err error) {
	err = d.around(func() error {
		objects, more, err = d.Bucket.Page(ctx, after, limit)

		return err
	})

	return objects, more, err
}

func (d *deadly) Head(ctx context.Context, key string) (o storage.Object, err error) {
	err = d.around(func() error {
		o, err = d.Bucket.Head(ctx, key)

		return err
	})

	return o, err
}

func (d *deadly) Delete(ctx context.Context, keys ...string) error {
	return d.around(func() error { return d.Bucket.Delete(ctx, keys...) })
}
