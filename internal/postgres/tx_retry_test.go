package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
)

// TestRetryTx_Circle has two lock the same two rows, each the one first that the other wants last. Postgres ends
// one of them, which then does it again.
func TestRetryTx_Circle(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)
	_, err := pool.Exec(t.Context(), `insert into generation_user (user_id, ref) values (gen_random_uuid(), 'a'), (gen_random_uuid(), 'b')`)
	require.NoError(t, err)

	var (
		met, all sync.WaitGroup // met: each has its first row
		runs     atomic.Int64
		hints    atomic.Int64
	)

	met.Add(2)

	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		all.Go(func() {
			meet := sync.OnceFunc(func() { met.Done(); met.Wait() })

			err := postgres.RetryTx(t.Context(), pool, func(tx *postgres.Tx) error {
				runs.Add(1)
				tx.AfterCommit(func() { hints.Add(1) })

				for _, ref := range order {
					if _, err := tx.Exec(t.Context(), `update generation_user set event_sequence = event_sequence + 1 where ref = $1`, ref); err != nil {
						return fmt.Errorf("count up %s: %w", ref, err)
					}

					meet()
				}

				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()

	var sum int

	require.NoError(t, pool.QueryRow(t.Context(), `select sum(event_sequence) from generation_user`).Scan(&sum))
	require.Equal(t, 4, sum, "each happened once")
	require.EqualValues(t, 3, runs.Load())
	require.EqualValues(t, 2, hints.Load())
}

func TestRetryTx_Reruns(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	for name, c := range map[string]struct {
		fails int
		err   error
		runs  int
		heals bool
	}{
		"Deadlock":      {2, &pgconn.PgError{Code: "40P01"}, 3, true},
		"Serialization": {3, &pgconn.PgError{Code: "40001"}, 4, true},
		"ForEver":       {9, &pgconn.PgError{Code: "40P01"}, 4, false},
		"AnotherOfPg":   {9, &pgconn.PgError{Code: "23505"}, 1, false},
		"OfTheFunction": {9, errSorry, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			runs := 0

			err := postgres.RetryTx(t.Context(), pool, func(*postgres.Tx) error {
				if runs++; runs <= c.fails {
					return fmt.Errorf("do it: %w", c.err)
				}

				return nil
			})
			if c.heals {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.err)
			}

			require.Equal(t, c.runs, runs)
		})
	}

	t.Run("NotAfterTheEndOfItsContext", func(t *testing.T) {
		t.Parallel()

		ctx, cancel := context.WithCancel(t.Context())
		runs := 0

		require.Error(t, postgres.RetryTx(ctx, pool, func(*postgres.Tx) error {
			runs++

			cancel()

			return &pgconn.PgError{Code: "40P01"}
		}))
		require.Equal(t, 1, runs)
	})
}
