// Package devtest gives tests real servers: one Postgres, Redis and S3 for each test binary,
// started when first asked for, and a database, database number or bucket for each test.
// Tests that flush, kill or reconfigure a server take one of their own.
package devtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/internal/devstack"
	"imagerun/internal/postgres"
)

// servers are this test binary's own. A test binary is one process with one purpose, which is
// why they may be package variables here.
var servers devstack.Private

var (
	sharedPostgres = sync.OnceValues(func() (*devstack.Postgres, error) { return servers.Postgres(context.Background()) })
	sharedRedis    = sync.OnceValues(func() (*devstack.Redis, error) { return servers.Redis(context.Background()) })
	sharedS3       = sync.OnceValues(func() (*devstack.S3, error) { return servers.S3(context.Background()) })

	databases atomic.Int64 // Postgres databases handed out
	numbers   atomic.Int64 // Redis database numbers handed out
	buckets   atomic.Int64
)

// patience is how long goroutines may take to end once the tests and the servers have.
const patience = 10 * time.Second

// Main runs the tests of a package, ends the servers they used, and fails the package when a
// goroutine is left behind. Without it the servers end too, but leave their folder behind for a
// later run to remove.
func Main(m *testing.M) {
	logging.Disable() // go-redis would say among the results of tests that they took Redis away

	code := m.Run()

	servers.Stop()

	// After a failure, what is left says nothing new.
	if code == 0 {
		if err := findLeaks(); err != nil {
			fmt.Fprintln(os.Stderr, err)

			code = 1
		}
	}

	os.Exit(code)
}

// findLeaks describes the goroutines that are still there when patience is at its end.
func findLeaks() (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = goleak.Find(); err == nil { // takes a second or so to find any
			break
		}
	}

	return err
}

// Postgres returns a pool on a fresh, migrated database, connected as the application's role.
func Postgres(t testing.TB) *pgxpool.Pool {
	t.Helper()

	app, _, _ := PostgresURLs(t)

	return Pool(t, app)
}

// Pool opens a pool that is closed when the test ends.
func Pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()

	pool, err := postgres.Open(t.Context(), postgres.Options{URL: url, AppName: "test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	return pool
}

// PostgresURLs makes a fresh, migrated database and returns its URLs for the application's
// role, the auth service's role, and the owner, which is a superuser.
func PostgresURLs(t testing.TB) (app, auth, owner string) {
	t.Helper()

	pg, err := sharedPostgres()
	require.NoError(t, err)

	name := "t" + strconv.FormatInt(databases.Add(1), 10)

	app, auth, owner, err = pg.NewDatabase(t.Context(), name)
	require.NoError(t, err)

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()

		if err := pg.DropDatabase(ctx, name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})

	return app, auth, owner
}

// As returns the URL of a database of [PostgresURLs] for another login of [devstack.Logins].
func As(t testing.TB, databaseURL, login string) string {
	t.Helper()

	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	require.Contains(t, devstack.Logins(), login)

	u.User = url.User(login)

	return u.String()
}

// SkewedPostgres makes a fresh, migrated database whose clock is ahead of ours, and returns its URL for the application's
// role. Times that are defaults of columns are ours.
func SkewedPostgres(t testing.TB, ahead time.Duration) string {
	t.Helper()

	app, _, ownerURL := PostgresURLs(t)
	owner := Pool(t, ownerURL)

	_, err := owner.Exec(t.Context(), `create schema skewed; grant usage on schema skewed to public;
		do $$ begin execute format('alter database %I set search_path = skewed, pg_catalog, public', current_database()); end $$`)
	require.NoError(t, err)

	for _, clock := range []string{"clock_timestamp", "statement_timestamp", "now"} {
		_, err := owner.Exec(t.Context(), fmt.Sprintf(`create function skewed.%s() returns timestamptz stable language sql
			as $$ select pg_catalog.%s() + interval '%f seconds' $$`, clock, clock, ahead.Seconds()))
		require.NoError(t, err)
	}

	return app
}

// Schema returns the SQL that makes the database at ownerURL, from pg_dump.
func Schema(t testing.TB, ownerURL string) string {
	t.Helper()

	pg, err := sharedPostgres()
	require.NoError(t, err)

	text, err := pg.Schema(t.Context(), ownerURL)
	require.NoError(t, err)

	return text
}

// Redis returns the URL of a database number that no other test uses. Flush it with FLUSHDB,
// never FLUSHALL; a test that needs more takes [OwnRedis].
func Redis(t testing.TB) string {
	t.Helper()

	r, err := sharedRedis()
	require.NoError(t, err)

	n := numbers.Add(1)
	require.Less(t, n, int64(4096), "a test binary has 4,095 Redis databases")

	return "redis://" + r.Addr + "/" + strconv.FormatInt(n, 10)
}

// OwnPostgres starts a server for this test alone. Its database "imagerun" is migrated.
func OwnPostgres(t testing.TB) *devstack.Postgres {
	t.Helper()

	pg, err := servers.Postgres(t.Context())
	require.NoError(t, err)
	t.Cleanup(pg.Stop)

	return pg
}

// OwnRedis starts a server for this test alone.
func OwnRedis(t testing.TB) *devstack.Redis {
	t.Helper()

	r, err := servers.Redis(t.Context())
	require.NoError(t, err)
	t.Cleanup(r.Stop)

	return r
}

// OwnSecureRedis starts a server for this test alone. Its URL is for a user with the given rights
// alone, as ACL SETUSER takes them, over TLS.
func OwnSecureRedis(t testing.TB, rights string) *devstack.Redis {
	t.Helper()

	r, err := servers.SecureRedis(t.Context(), rights)
	require.NoError(t, err)
	t.Cleanup(r.Stop)

	return r
}

// OwnCluster starts a Redis Cluster for this test alone.
func OwnCluster(t testing.TB, o devstack.ClusterOptions) *devstack.Cluster {
	t.Helper()

	c, err := servers.Cluster(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(c.Stop)

	return c
}

// OwnSentinel starts a Redis with replicas and sentinels for this test alone.
func OwnSentinel(t testing.TB, o devstack.SentinelOptions) *devstack.Sentinel {
	t.Helper()

	s, err := servers.Sentinel(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(s.Stop)

	return s
}

// Bucket is a bucket of one test, and how to reach it.
type Bucket struct {
	URL       string
	Region    string
	AccessKey string
	SecretKey string
	Name      string
}

// S3 returns an empty bucket that no other test uses.
func S3(t testing.TB) Bucket {
	t.Helper()

	s, err := sharedS3()
	require.NoError(t, err)

	name := "test-" + strconv.FormatInt(buckets.Add(1), 10)
	require.NoError(t, s.NewBucket(name))

	return Bucket{URL: s.URL, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Name: name}
}
