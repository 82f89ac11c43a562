package paymentstest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// killedHow in the environment makes a test binary a process that dies.
const killedHow = "PAYMENTS_TEST_KILLED"

// Death is where such a process dies.
type Death struct {
	URL   string // of its database
	Step  int64  // the nth statement, or call of the vendor
	After bool   // it was done; else it was not
}

// Doomed reports whether this process is one that dies, and reads what it is to know.
func Doomed(t testing.TB, how any) bool {
	t.Helper()

	text := os.Getenv(killedHow)
	if text != "" {
		require.NoError(t, json.Unmarshal([]byte(text), how))
	}

	return text != ""
}

// EachDeath has a process die before and after every step of something, each time on a database of its own. Without IMAGERUN_PROVE it
// does so at one step of some alone. Try says whether the process died: else it came to its end.
func EachDeath(t *testing.T, some int64, try func(t *testing.T, d Death) (died bool)) {
	t.Helper()

	if os.Getenv("IMAGERUN_PROVE") != "" {
		some = 1
	}

	for when, after := range map[string]bool{"Before": false, "After": true} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()

			step := int64(1)
			if after {
				step += some / 2
			}

			deaths := 0

			for died := true; died; step += some {
				died = false

				t.Run(strconv.FormatInt(step, 10), func(t *testing.T) { //nolint:paralleltest // the next step is there if this one was
					url, _, _ := devtest.PostgresURLs(t)
					died = try(t, Death{URL: url, Step: step, After: after})
				})

				if died {
					deaths++
				}
			}

			t.Logf("died at %d steps", deaths)
			require.Positive(t, deaths)
		})
	}
}

// Kill runs this test in a process of its own that is [Doomed]. False: it came to its end.
func Kill(t testing.TB, how any) (died bool) {
	t.Helper()

	text, err := json.Marshal(how)
	require.NoError(t, err)

	self, err := os.Executable()
	require.NoError(t, err)

	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+name+"$", "-test.timeout=120s") //nolint:gosec // this binary
	cmd.Env = append(os.Environ(), killedHow+"="+string(text))
	out, err := cmd.CombinedOutput()

	var exit *exec.ExitError

	died = errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL //nolint:forcetypeassert // on every Unix
	if !died {
		require.NoError(t, err, "%s", out)
	}

	return died
}

// Killer ends its process, as kill -9 does, at a step of what [Killer.Watch] is given.
type Killer struct {
	at      Death
	watches atomic.Bool
	n       atomic.Int64
}

// NewKiller returns one.
func NewKiller(at Death) *Killer { return &Killer{at: at} }

// Open opens a pool on the database whose statements are steps.
func (k *Killer) Open(t testing.TB) *pgxpool.Pool {
	t.Helper()

	cfg := devtest.Pool(t, k.at.URL).Config()
	cfg.ConnConfig.Tracer = k

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	return pool
}

// Watch counts the steps of what is done.
func (k *Killer) Watch(do func()) {
	k.watches.Store(true)
	do()
	k.watches.Store(false)
}

// Call makes a call of the vendor, which is a step.
func Call[T any](k *Killer, call func() (T, error)) (T, error) {
	last := k.countStep()
	v, err := call()

	if last {
		die()
	}

	return v, err
}

// countStep reports whether this is the one.
func (k *Killer) countStep() bool {
	if !k.watches.Load() {
		return false
	}

	last := k.n.Add(1) == k.at.Step
	if last && !k.at.After {
		die()
	}

	return last
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

type lastKey struct{}

func (k *Killer) begin(ctx context.Context) context.Context {
	return context.WithValue(ctx, lastKey{}, k.countStep())
}

func (k *Killer) end(ctx context.Context) {
	if last, _ := ctx.Value(lastKey{}).(bool); last {
		die()
	}
}

// TraceQueryStart implements [pgx.QueryTracer].
func (k *Killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return k.begin(ctx)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (k *Killer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { k.end(ctx) }

// TraceBatchStart implements [pgx.BatchTracer].
func (k *Killer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return k.begin(ctx)
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (k *Killer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements [pgx.BatchTracer].
func (k *Killer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { k.end(ctx) }
