package postgres_test

import (
	"context"
	"errors"
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

func TestInTx(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	count := func(t *testing.T, ref string) (n int) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from generation_user where ref = $1", ref).Scan(&n))

		return n
	}

	insert := func(ctx context.Context, tx *postgres.Tx, ref string) error {
		_, err := tx.Exec(ctx, "insert into generation_user (user_id, ref) values (gen_random_uuid(), $1)", ref)

		return err
	}

	t.Run("CommitsAndThenCallsAfterCommit", func(t *testing.T) {
		t.Parallel()

		var seen []int

		require.NoError(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			tx.AfterCommit(func() { seen = append(seen, count(t, "commits")) })

			return insert(t.Context(), tx, "commits")
		}))
		require.Equal(t, []int{1}, seen)
	})

	t.Run("RollsBackOnError", func(t *testing.T) {
		t.Parallel()

		called := false
		sorry := errors.New("sorry")

		require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			tx.AfterCommit(func() { called = true })

			return errors.Join(insert(t.Context(), tx, "rolls"), sorry)
		}), sorry)
		require.False(t, called)
		require.Equal(t, 0, count(t, "rolls"))
	})

	t.Run("RollsBackAfterCancel", func(t *testing.T) {
		t.Parallel()

		ctx, cancel := context.WithCancel(t.Context())

		require.ErrorIs(t, postgres.InTx(ctx, pool, func(tx *postgres.Tx) error {
			require.NoError(t, insert(ctx, tx, "canceled"))
			cancel()

			return ctx.Err()
		}), context.Canceled)
		require.Equal(t, 0, count(t, "canceled"))
	})

	t.Run("FailedCommitCallsNothing", func(t *testing.T) {
		t.Parallel()

		called := false

		require.ErrorContains(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			tx.AfterCommit(func() { called = true })
			// The transaction is now one that can only be rolled back.
			_, err := tx.Exec(t.Context(), "select 1/0")
			require.Error(t, err)

			return nil
		}), "commit transaction")
		require.False(t, called)
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
