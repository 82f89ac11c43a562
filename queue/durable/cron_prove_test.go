package durable_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// With these set, this test binary is a scheduler that a test may kill.
const (
	childPostgres = "DURABLE_TEST_POSTGRES"
	childName     = "DURABLE_TEST_NAME"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childPostgres); url != "" {
		fmt.Fprintln(os.Stderr, beScheduler(context.Background(), url, os.Getenv(childName)))
		os.Exit(1) // it never ends by itself
	}

	devtest.Main(m)
}

// TestCronProve_EachTickOnce has three schedulers, processes of their own, fire a schedule of one
// second. Now and then one of them is killed (kill -9) in the middle: it has staged the job of a
// tick, and has not committed.
func TestCronProve_EachTickOnce(t *testing.T) {
	t.Parallel()

	seconds, each := 20, 2*time.Second
	if os.Getenv("IMAGERUN_PROVE") != "" {
		seconds, each = 200, 20*time.Second
	}

	url, _, _ := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, url)
	children := map[string]*exec.Cmd{}
	names := 0
	start := func() {
		names++
		name := "scheduler-" + strconv.Itoa(names)
		children[name] = startScheduler(t, url, name)
	}

	for range 3 {
		start()
	}

	// From the first tick on they are all under way.
	require.Eventually(t, func() bool { return len(ticks(t, pool)) > 0 }, 30*time.Second, 20*time.Millisecond)

	kills := 0
	next := time.NewTicker(each)

	defer next.Stop()

	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); <-next.C {
		var name string

		require.Eventually(t, func() bool {
			err := pool.QueryRow(t.Context(), `select application_name from pg_stat_activity
				where datname = current_database() and application_name = any($1)
				  and state = 'idle in transaction' and query like '%name: JobStage%'`, keys(children)).Scan(&name)

			return err == nil
		}, 10*time.Second, 2*time.Millisecond, "nobody fires")

		require.NoError(t, children[name].Process.Kill())
		_ = children[name].Wait()

		delete(children, name)

		kills++

		start()
	}

	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait()
	}

	// One more look finds what the last dead one left.
	last, err := durable.NewCron(tickQueue(pool), schedule("@every 1s", queue.Allow))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err = last.Fire(t.Context(), "chore")

		return err == nil && len(ticks(t, pool)) >= seconds
	}, 10*time.Second, 50*time.Millisecond)

	got := ticks(t, pool)
	for i, tick := range got[1:] {
		require.Equal(t, time.Second, tick.Sub(got[i]), "tick %d is missing or there twice", i+1)
	}

	t.Logf("%d ticks, each once; %d schedulers killed", len(got), kills)
}

func startScheduler(t *testing.T, url, name string) *exec.Cmd {
	t.Helper()

	self, err := os.Executable()
	require.NoError(t, err)

	c := exec.Command(self)
	c.Env = append(os.Environ(), childPostgres+"="+url, childName+"="+name)
	c.Stderr = os.Stderr
	_, err = c.StdinPipe() // closes with this process, and the child with it
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})

	return c
}

// beScheduler is the main function of such a scheduler.
func beScheduler(ctx context.Context, url, name string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)

		os.Exit(1)
	}()

	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}

	cfg.ConnConfig.RuntimeParams["application_name"] = name
	cfg.ConnConfig.Tracer = slowAdvance{}

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}

	c, err := durable.NewCron(tickQueue(pool), schedule("@every 1s", queue.Allow))
	if err != nil {
		return err
	}

	// Often enough for the three to meet.
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			_, _ = c.Fire(ctx, "chore") // another may be at it
		}
	}()

	return c.Run(ctx)
}

// slowAdvance is a failpoint: it holds a transaction open between its job and its tick.
type slowAdvance struct{}

func (slowAdvance) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "name: ScheduleAdvance") {
		<-time.After(100 * time.Millisecond)
	}

	return ctx
}

func (slowAdvance) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func keys(children map[string]*exec.Cmd) (names []string) {
	for name := range children {
		names = append(names, name)
	}

	return names
}
