package postgres_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/migrations"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("DoesNotDial", func(t *testing.T) {
		t.Parallel()

		pool, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://app@127.0.0.1:1/none", AppName: "test"})
		require.NoError(t, err)
		pool.Close()
	})

	t.Run("NeverQuotesTheURL", func(t *testing.T) {
		t.Parallel()

		_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://app:hunter2@host:notaport/db"})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")

		_, err = postgres.Migrate(t.Context(), "postgres://app:hunter2@host:notaport/db", migrations.FS)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	})

	t.Run("EndsLongStatements", func(t *testing.T) {
		t.Parallel()

		app, _, _ := devtest.PostgresURLs(t)
		pool, err := postgres.Open(t.Context(), postgres.Options{URL: app, AppName: "test", StatementTimeout: 1_000_000})
		require.NoError(t, err)
		t.Cleanup(pool.Close)

		_, err = pool.Exec(t.Context(), "select pg_sleep(10)")
		require.ErrorContains(t, err, "57014")
	})
}

func TestMigrate_ConcurrentDeploys(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	_, err := devtest.Pool(t, owner).Exec(t.Context(), `
		drop schema public cascade; drop schema auth cascade; create schema public; grant usage on schema public to public`)
	require.NoError(t, err)

	var (
		wg      sync.WaitGroup
		applied [3]int
		errs    [3]error
	)

	for i := range applied {
		wg.Go(func() { applied[i], errs[i] = postgres.Migrate(t.Context(), owner, migrations.FS) })
	}

	wg.Wait()

	require.Equal(t, [3]error{}, errs)

	// One did it all, the others found nothing left to do.
	require.ElementsMatch(t, []int{0, 0, max(applied[0], applied[1], applied[2])}, applied[:])
	require.Positive(t, max(applied[0], applied[1], applied[2]))
}
