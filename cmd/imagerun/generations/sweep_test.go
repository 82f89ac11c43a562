package generations

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli/clitest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
	"imagerun/internal/storage/sweep"
)

// sweeping runs the command on a database and a bucket of its own.
func sweeping(t *testing.T) (pool *pgxpool.Pool, bucket *r2.Bucket, run func(args ...string) (out, progress string, err error)) {
	t.Helper()

	url, _, _ := devtest.PostgresURLs(t)
	s := devtest.S3(t)
	bucket = r2.New(r2.Options{
		Endpoint: s.URL, Region: s.Region, AccessKey: s.AccessKey, SecretKey: redact.NewSecret(s.SecretKey), Bucket: s.Name, Now: time.Now,
	})
	environ := []string{
		"IMAGERUN_ENV=development", "IMAGERUN_POSTGRES_URL=" + devtest.As(t, url, "operator"), "IMAGERUN_STORAGE_ENDPOINT=" + s.URL, "IMAGERUN_STORAGE_REGION=" + s.Region,
		"IMAGERUN_STORAGE_ACCESS_KEY=" + s.AccessKey, "IMAGERUN_STORAGE_SECRET_KEY=" + s.SecretKey, "IMAGERUN_STORAGE_BUCKET=" + s.Name,
	}

	return devtest.Pool(t, url), bucket, func(args ...string) (string, string, error) {
		return clitest.Execute(t.Context(), Command(environ), append([]string{"sweep"}, args...)...)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()

	pool, bucket, run := sweeping(t)

	out, _, err := run()
	require.NoError(t, err)
	require.Contains(t, out, "in order\n")

	orphan := "u/abc/" + uuid.NewString() + "/1.png"
	require.NoError(t, bucket.Put(t.Context(), orphan, "image/png", []byte("12345")))

	count := func() (n int) {
		require.NoError(t, bucket.List(t.Context(), "", func(storage.Object) bool { n++; return true }))

		return n
	}

	// Young: nothing to do, nothing to look at.
	out, _, err = run()
	require.NoError(t, err)
	require.Regexp(t, `(?m)^ *1  young: without a row, but not older than 24h0m0s$`, out)

	out, listed, err := run("--dry-run", "--list", "--grace", "0s")
	require.ErrorIs(t, err, errUnsettled)
	require.Contains(t, out, "orphans: 1 would be deleted (5 bytes)")
	require.Contains(t, out, "a dry run: nothing was changed")
	require.Contains(t, listed, "orphan    "+orphan+"  ")
	require.Equal(t, 1, count())

	out, _, err = run("--json", "--grace", "0s")
	require.NoError(t, err)
	require.Zero(t, count())

	var r sweep.Report

	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, []int64{1, 1, 5}, []int64{r.Objects, r.Deleted, r.DeletedBytes})
	require.NotNil(t, r.FinishedAt)

	// The metrics show what was done by hand.
	last, ok, err := sweep.Last(t.Context(), pool)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, r, last)

	// What is not ours is left alone, and a person is told.
	require.NoError(t, bucket.Put(t.Context(), "backup.tar", "application/x-tar", []byte("1")))
	out, _, err = run("--grace", "0s")
	require.ErrorIs(t, err, errUnsettled)
	require.Regexp(t, `(?m)^ *1  foreign: `, out)
	require.Contains(t, out, "something is left to look at\n")
	require.Equal(t, 1, count())
}

func TestSweep_Refuses(t *testing.T) {
	t.Parallel()

	_, _, run := sweeping(t)
	_, _, err := run("--grace", "-1h")
	require.ErrorContains(t, err, "--grace must not be negative")

	_, _, err = clitest.Execute(t.Context(), Command(nil), "sweep")
	require.ErrorContains(t, err, "storage.bucket (IMAGERUN_STORAGE_BUCKET) is needed by the sweep")
}

// A store that does not answer: a report of what was done, and an error.
func TestSweep_StoreIsAway(t *testing.T) {
	t.Parallel()

	url, _, _ := devtest.PostgresURLs(t)
	environ := append(os.Environ(), "IMAGERUN_ENV=development", "IMAGERUN_POSTGRES_URL="+devtest.As(t, url, "operator"),
		"IMAGERUN_STORAGE_ENDPOINT=http://127.0.0.1:1", "IMAGERUN_STORAGE_ACCESS_KEY=a", "IMAGERUN_STORAGE_SECRET_KEY=b", "IMAGERUN_STORAGE_BUCKET=c")

	out, _, err := clitest.Execute(t.Context(), Command(environ), "sweep")
	require.ErrorContains(t, err, "the sweep did not come to its end: list objects: no answer")
	require.Contains(t, out, "broken off\n")
}
