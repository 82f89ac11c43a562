package credits_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
)

// One ledger that refuses its entry keeps nobody else's.
func TestExpire_GoesOnAfterAFailure(t *testing.T) {
	t.Parallel()

	b := setup(t)
	grants := map[uuid.UUID]uuid.UUID{} // by subject

	for i := range 9 {
		who, err := newBundle(t.Context(), b.pool)
		require.NoError(t, err)
		who.give(t, credits.SourcePromotion, fmt.Sprint("promo:", i), 5, b.in(time.Hour))

		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), `select id from credit_grant where subject = $1`, who.subject).Scan(&id))
		grants[who.subject] = id
	}

	// The key of the entry to come is taken, in the ledger of somebody who has nothing.
	var broken uuid.UUID
	for broken = range grants {
	}

	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update user_credit set version = 1 where subject = $1`, b.subject)
		if err == nil {
			_, err = tx.Exec(t.Context(), `insert into ledger_txn (subject, sequence, kind, business_key, actor, available, held, debt, created_at)
				values ($1, 1, 'expire', 'expire:' || $2::text, 'system', 0, 0, 0, now())`, b.subject, grants[broken])
		}

		return err
	}))

	b.time.Move(2 * time.Hour)

	n, err := b.Expire(b.ctx, b.pool, 100)
	require.ErrorContains(t, err, broken.String())
	require.Equal(t, 8, n)

	var left []uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(subject) from credit_grant where remaining > 0`).Scan(&left))
	require.Equal(t, []uuid.UUID{broken}, left)
}
