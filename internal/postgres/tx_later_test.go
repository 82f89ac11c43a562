package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
)

func TestLater(t *testing.T) {
	t.Parallel()

	const insert = "insert into generation_user (user_id, ref) values (gen_random_uuid(), $1)"

	refs := func(t *testing.T, q interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}) []string {
		t.Helper()

		rows, err := q.Query(t.Context(), "select ref from generation_user order by ref")
		require.NoError(t, err)
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)

		return got
	}

	keep := func(t *testing.T, tx pgx.Tx, refs ...string) {
		t.Helper()

		for _, ref := range refs {
			_, err := postgres.Later(tx).Exec(t.Context(), insert, ref)
			require.NoError(t, err)
		}
	}

	t.Run("ComesBeforeWhateverIsNext", func(t *testing.T) {
		t.Parallel()

		for name, next := range map[string]func(tx *postgres.Tx) error{
			"Exec": func(tx *postgres.Tx) error {
				tag, err := tx.Exec(t.Context(), "delete from generation_user where ref = 'b'")
				require.EqualValues(t, 1, tag.RowsAffected())

				return err
			},
			"Query": func(tx *postgres.Tx) error {
				require.Equal(t, []string{"a", "b"}, refs(t, tx))

				return nil
			},
			"QueryRow": func(tx *postgres.Tx) error {
				var n int
				err := tx.QueryRow(t.Context(), "select count(*) from generation_user").Scan(&n)
				require.Equal(t, 2, n)

				return err
			},
			"SendBatch": func(tx *postgres.Tx) error {
				batch := &pgx.Batch{}
				batch.Queue("select count(*) from generation_user").QueryRow(func(row pgx.Row) error {
					var n int
					err := row.Scan(&n)
					require.Equal(t, 2, n)

					return err
				})

				return tx.SendBatch(t.Context(), batch).Close()
			},
			"CopyFrom": func(tx *postgres.Tx) error {
				_, err := tx.CopyFrom(t.Context(), pgx.Identifier{"generation_user"}, []string{"user_id", "ref"},
					pgx.CopyFromRows([][]any{{[16]byte{1}, "c"}}))
				require.Equal(t, []string{"a", "b", "c"}, refs(t, tx))

				return err
			},
			"Begin": func(tx *postgres.Tx) error {
				part, err := tx.Begin(t.Context())
				require.NoError(t, err)
				require.NoError(t, part.Rollback(t.Context()))
				require.Equal(t, []string{"a", "b"}, refs(t, tx), "what came before the part stays")

				return nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				require.NoError(t, postgres.InTx(t.Context(), devtest.Postgres(t), func(tx *postgres.Tx) error {
					keep(t, tx, "a", "b")

					return next(tx)
				}))
			})
		}
	})

	t.Run("IsCommittedWithTheRest", func(t *testing.T) {
		t.Parallel()

		pool := devtest.Postgres(t)

		require.NoError(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			keep(t, tx, "a")

			return nil
		}))
		require.Equal(t, []string{"a"}, refs(t, pool))
	})

	t.Run("IsForgottenWithTheRest", func(t *testing.T) {
		t.Parallel()

		pool, sorry := devtest.Postgres(t), errors.New("sorry")

		require.ErrorIs(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			keep(t, tx, "a")

			return sorry
		}), sorry)
		require.Empty(t, refs(t, pool))
	})

	t.Run("AFailureIsSeenByTheCommit", func(t *testing.T) {
		t.Parallel()

		pool, called := devtest.Postgres(t), false

		require.ErrorContains(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
			tx.AfterCommit(func() { called = true })
			keep(t, tx, "a", "a", "b") // ref is unique

			return nil
		}), "23505")
		require.False(t, called)
		require.Empty(t, refs(t, pool))
	})

	t.Run("AFailureIsSeenByWhatIsNext", func(t *testing.T) {
		t.Parallel()

		pool := devtest.Postgres(t)

		for name, next := range map[string]func(tx *postgres.Tx) error{
			"Query": func(tx *postgres.Tx) error {
				rows, err := tx.Query(t.Context(), "select 1")
				require.Error(t, err)
				rows.Close() // as who looks at the rows alone does

				return rows.Err()
			},
			"QueryRow":  func(tx *postgres.Tx) error { return tx.QueryRow(t.Context(), "select 1").Scan(new(int)) },
			"SendBatch": func(tx *postgres.Tx) error { return tx.SendBatch(t.Context(), &pgx.Batch{}).Close() },
		} {
			require.ErrorContains(t, postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
				keep(t, tx, "a", "a")

				return next(tx)
			}), "23505", name)
		}

		require.Empty(t, refs(t, pool))
	})

	t.Run("OfAnotherTransactionIsThatOne", func(t *testing.T) {
		t.Parallel()

		tx, err := devtest.Postgres(t).Begin(t.Context())
		require.NoError(t, err)

		keep(t, tx, "a")
		require.Equal(t, []string{"a"}, refs(t, tx))
		require.NoError(t, tx.Rollback(t.Context()))
	})
}
