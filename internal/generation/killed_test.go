package generation_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

// killedHow in the environment makes this test binary a process that dies at a statement.
const killedHow = "GENERATION_TEST_KILLED"

// death is where and when such a process dies.
type death struct {
	URL       string
	Scenario  string
	Statement int64 // the nth that it sends
	After     bool  // it was answered; else it was not sent
	User      uuid.UUID
	Task      uuid.UUID // what it works on; none for a submit
	Now       time.Time
}

// scenarios are what a process does when it dies, and what of it was done before.
var scenarios = map[string]struct { //nolint:gochecknoglobals // a table
	before func(t *testing.T, b *bundle) generation.Generation
	do     func(t *testing.T, b *bundle, d death)
	ends   generation.Status // if nobody dies; else it may be as if nothing had been begun
}{
	"Submit": {
		do: func(t *testing.T, b *bundle, _ death) {
			t.Helper()

			s := submission(b, two)
			s.IdempotencyKey, s.Fingerprint = "key", []byte("f")

			first, err := b.Submit(t.Context(), s)
			require.NoError(t, err)

			again, err := b.Submit(t.Context(), s) // as who had no answer does
			require.NoError(t, err)
			require.Equal(t, first.ID, again.ID)
		},
		ends: generation.StatusSucceeded,
	},
	"Collect": {
		before: running,
		do: func(t *testing.T, b *bundle, _ death) {
			t.Helper()
			b.pass(t, 30*time.Second)
		},
		ends: generation.StatusSucceeded,
	},
	"Cancel": {
		before: running,
		do: func(t *testing.T, b *bundle, d death) {
			t.Helper()

			_, err := b.Cancel(t.Context(), b.user, d.Task)
			require.NoError(t, err)
			b.jobs.RunAll(t.Context())
		},
		ends: generation.StatusCanceled,
	},
	"Expire": {
		before: running,
		do: func(t *testing.T, b *bundle, _ death) {
			t.Helper()
			b.now.Move(time.Hour)

			_, err := b.ExpireDue(t.Context())
			require.NoError(t, err)
			b.jobs.RunAll(t.Context())
		},
		ends: generation.StatusExpired,
	},
}

func running(t *testing.T, b *bundle) generation.Generation {
	t.Helper()

	g := b.start(t, two)
	require.Equal(t, generation.StatusRunning, g.Status)

	return g
}

// TestKilled kills a process before and after every statement that it sends while it submits,
// collects, cancels and expires. The ledger balances at once, and when time has passed and whoever is
// left has done its work, nothing is held, and everything else is as it always is.
func TestKilled(t *testing.T) { //nolint:tparallel // the process that dies is no test
	if how := os.Getenv(killedHow); how != "" {
		die(t, how)

		return
	}

	t.Parallel()

	for name := range scenarios {
		for when, after := range map[string]bool{"Before": false, "After": true} {
			t.Run(name+when, func(t *testing.T) {
				t.Parallel()

				url, _, _ := devtest.PostgresURLs(t)
				pool := devtest.Pool(t, url)

				n := int64(1)
				for ; killed(t, pool, death{URL: url, Scenario: name, Statement: n, After: after}); n++ {
				}

				t.Logf("died at each of %d statements", n-1)
				require.Greater(t, n, int64(10), "statements that it died at")
			})
		}
	}
}

// killed has a process die, and looks at what it left. False: it did what it had to do before it came
// to the statement.
func killed(t *testing.T, pool *pgxpool.Pool, d death) bool {
	t.Helper()

	b := setupOn(t, pool)
	b.provider.prefix = uuid.NewString()
	b.poor(t, 10)

	d.User, d.Now = b.user, b.now.Now()
	if before := scenarios[d.Scenario].before; before != nil {
		d.Task = before(t, b).ID
	}

	how, err := json.Marshal(d)
	require.NoError(t, err)

	self, err := os.Executable()
	require.NoError(t, err)

	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), killedHow+"="+string(how))
	out, err := cmd.CombinedOutput()

	var exit *exec.ExitError

	died := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL //nolint:forcetypeassert // on every Unix
	if !died {
		require.NoError(t, err, "%+v: %s", d, out)
	}

	creditstest.Check(t, pool)

	// Another process takes over, and time passes.
	b.provider.finishAll(t)

	for range 8 {
		b.jobs.Recover()
		b.admit(t)
		b.pass(t, 30*time.Second)
	}

	b.now.Move(time.Hour)

	_, err = b.ExpireDue(t.Context())
	require.NoError(t, err)

	b.pass(t, 24*time.Hour)
	require.Empty(t, b.jobs.Dead(), "%+v", d)

	page, err := b.List(t.Context(), b.user, generation.Filter{})
	require.NoError(t, err)

	switch want := scenarios[d.Scenario]; {
	case died && want.before == nil && len(page.Generations) == 0: // it never came to be
	case died && page.Generations[0].Status == generation.StatusSucceeded:
	default:
		require.Equal(t, want.ends, page.Generations[0].Status, "%+v", d)
	}

	var held int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from credit_hold where closed_at is null`).Scan(&held))
	require.Zero(t, held, "%+v", d)
	b.settled(t)

	return died
}

// die is the process. Its provider has finished whatever it is asked about.
func die(t *testing.T, how string) {
	t.Helper()

	var d death
	require.NoError(t, json.Unmarshal([]byte(how), &d))

	cfg := devtest.Pool(t, d.URL).Config()
	k := &killer{at: d.Statement, after: d.After}
	cfg.ConnConfig.Tracer = k

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool)
	b.user = d.User
	b.now.Move(d.Now.Sub(b.now.Now()))
	b.provider.finishAll(t)

	k.armed.Store(true)
	scenarios[d.Scenario].do(t, b, d)
	k.armed.Store(false)
}

// finishAll has every request end with two pictures, asked for by this process or another.
func (p *fakeProvider) finishAll(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()

	p.rest = &providers.Result{Images: []providers.Image{{URL: "one"}, {URL: "two"}}}
	p.media["one"], p.media["two"] = pngOf(64, 48), pngOf(48, 64)
}

// killer ends the process, as kill -9 does, at a statement.
type killer struct {
	at    int64
	after bool

	armed atomic.Bool
	n     atomic.Int64
}

type statementKey struct{}

func (k *killer) start(ctx context.Context) context.Context {
	if !k.armed.Load() {
		return ctx
	}

	n := k.n.Add(1)
	if n == k.at && !k.after {
		kill()
	}

	return context.WithValue(ctx, statementKey{}, n)
}

func (k *killer) end(ctx context.Context) {
	if n, ok := ctx.Value(statementKey{}).(int64); ok && n == k.at && k.after {
		kill()
	}
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (k *killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return k.start(ctx)
}
func (k *killer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { k.end(ctx) }

func (k *killer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return k.start(ctx)
}

func (k *killer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	k.end(ctx)
}

func (k *killer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return k.start(ctx)
}
func (k *killer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData)     {}
func (k *killer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { k.end(ctx) }
