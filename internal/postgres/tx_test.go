package postgres_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
)

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

// waits counts how often its connections wait for the server.
type waits struct{ n atomic.Int64 }

func (w *waits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	w.n.Add(1)

	return ctx
}

func (w *waits) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (w *waits) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	w.n.Add(1)

	return ctx
}

func (w *waits) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (w *waits) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func TestInTx_RoundTrips(t *testing.T) {
	t.Parallel()

	const insert = "insert into generation_user (user_id, ref) values (gen_random_uuid(), $1)"

	exec := func(tx *postgres.Tx, ref string) error {
		_, err := tx.Exec(t.Context(), insert, ref)

		return err
	}

	for name, c := range map[string]struct {
		waits int64
		fn    func(tx *postgres.Tx) error
	}{
		"Nothing":  {0, func(*postgres.Tx) error { return nil }},
		"OnlyKept": {1, func(tx *postgres.Tx) error { tx.Keep(nil, insert, "kept"); return nil }},
		"One":      {2, func(tx *postgres.Tx) error { return exec(tx, "one") }},
		"KeptAndOne": {2, func(tx *postgres.Tx) error {
			tx.Keep(nil, insert, "kept before")

			return exec(tx, "one of two")
		}},
		"OneAndKept": {2, func(tx *postgres.Tx) error {
			err := exec(tx, "the first of two")
			tx.Keep(nil, insert, "kept after")

			return err
		}},
		"RolledBackBeforeItBegan": {0, func(tx *postgres.Tx) error {
			tx.Keep(nil, insert, "never sent")

			return errSorry
		}},
		"RolledBack": {2, func(tx *postgres.Tx) error { return errors.Join(exec(tx, "rolled back"), errSorry) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := &waits{}
			cfg := devtest.Postgres(t).Config()
			cfg.ConnConfig.Tracer = w

			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			require.NoError(t, err)
			t.Cleanup(pool.Close)

			if err := postgres.InTx(t.Context(), pool, c.fn); err != nil {
				require.ErrorIs(t, err, errSorry)
			}

			require.Equal(t, c.waits, w.n.Load())
			require.Zero(t, pool.Stat().AcquiredConns(), "every connection is back")
		})
	}
}

var errSorry = errors.New("sorry")

func TestInTx_WithoutADatabase(t *testing.T) {
	t.Parallel()

	pool, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://app@127.0.0.1:1/none", AppName: "test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	require.ErrorContains(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
		return tx.QueryRow(t.Context(), "select 1").Scan(new(int))
	}), "begin transaction")

	require.ErrorContains(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
		tx.Keep(nil, "select 1")

		return nil
	}), "commit transaction")
}

// TestInTx_IsOver has nothing be sent, and nothing be called committed, once a transaction is over.
func TestInTx_IsOver(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	for name, end := range map[string]func(tx *postgres.Tx){
		"NoConnection": func(tx *postgres.Tx) {
			ended, cancel := context.WithCancel(t.Context())
			cancel()

			_, err := tx.Exec(ended, "select 1") // and its error is not heeded
			require.ErrorIs(t, err, context.Canceled)
		},
		"RolledBackBeforeItBegan": func(tx *postgres.Tx) { require.NoError(t, tx.Rollback(t.Context())) },
		"RolledBack": func(tx *postgres.Tx) {
			_, err := tx.Exec(t.Context(), "select 1")
			require.NoError(t, err)
			require.NoError(t, tx.Rollback(t.Context()))
		},
		"Committed": func(tx *postgres.Tx) { require.NoError(t, tx.Commit(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			called := false

			require.Error(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
				tx.AfterCommit(func() { called = true })
				tx.Keep(nil, "select 1")
				end(tx)

				_, err := tx.Exec(t.Context(), "select 1")
				require.Error(t, err)

				return nil
			}))
			require.False(t, called)
		})
	}
}

// TestInTx_Rows has everything that reads rows read those of the statement that began the transaction.
func TestInTx_Rows(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	for name, read := range map[string]func(tx *postgres.Tx) error{
		"Collected": func(tx *postgres.Tx) error {
			rows, err := tx.Query(t.Context(), "select generate_series(1, 3)")
			require.NoError(t, err)
			got, err := pgx.CollectRows(rows, pgx.RowTo[int])
			require.Equal(t, []int{1, 2, 3}, got)

			return err
		},
		"LeftEarly": func(tx *postgres.Tx) error {
			rows, err := tx.Query(t.Context(), "select generate_series(1, 3)")
			require.NoError(t, err)
			require.True(t, rows.Next())
			rows.Close()

			return rows.Err()
		},
		"None": func(tx *postgres.Tx) error {
			require.ErrorIs(t, tx.QueryRow(t.Context(), "select 1 where false").Scan(new(int)), pgx.ErrNoRows)

			return nil
		},
		"AnErrorOfOne": func(tx *postgres.Tx) error {
			require.ErrorContains(t, tx.QueryRow(t.Context(), "select 1 / $1::int", 0).Scan(new(int)), "22012")

			return errSorry
		},
		"AnErrorAmongMany": func(tx *postgres.Tx) error {
			rows, err := tx.Query(t.Context(), "select 1 / (2 - n) from generate_series(1, 3) n")
			require.NoError(t, err)
			_, err = pgx.CollectRows(rows, pgx.RowTo[int])
			require.ErrorContains(t, err, "22012")

			return errSorry
		},
		"OfTheWrongType": func(tx *postgres.Tx) error {
			require.Error(t, tx.QueryRow(t.Context(), "select 'x'").Scan(new(int)))

			return nil
		},
		"Tag": func(tx *postgres.Tx) error {
			tag, err := tx.Exec(t.Context(), "select generate_series(1, 3)")
			require.EqualValues(t, 3, tag.RowsAffected())

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if err := postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
				if err := read(tx); err != nil {
					return err
				}

				// Whatever was read, the connection is in step.
				var n int
				require.NoError(t, tx.QueryRow(t.Context(), "select 7").Scan(&n))
				require.Equal(t, 7, n)

				return nil
			}); err != nil {
				require.ErrorIs(t, err, errSorry)
			}
		})
	}
}

// TestInTx_ExplainsAnError has what was kept say what its failure means, wherever it is seen.
func TestInTx_ExplainsAnError(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
		tx.Keep(func(error) error { return errSorry }, "select 1 / $1::int", 0)

		return nil
	}), errSorry, "alone")

	for name, next := range map[string]func(tx *postgres.Tx) error{
		"AtTheCommit":        func(*postgres.Tx) error { return nil },
		"AtTheNextStatement": func(tx *postgres.Tx) error { return tx.QueryRow(t.Context(), "select 1").Scan(new(int)) },
		"AtTheCommitOfOneBegun": func(tx *postgres.Tx) error {
			err := tx.QueryRow(t.Context(), "select 1").Scan(new(int))
			tx.Keep(nil, "select 1")

			return err
		},
	} {
		require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			tx.Keep(nil, "select 1")
			tx.Keep(func(err error) error {
				require.ErrorContains(t, err, "22012")

				return errSorry
			}, "select 1 / $1::int", 0)

			return next(tx)
		}), errSorry, name)
	}
}
