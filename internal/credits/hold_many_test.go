package credits_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
)

// Holds that follow each other on one locked balance each see what those before them have left; a refusal changes nothing.
func TestHoldLocked_Several(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.give(t, credits.SourcePack, "creem:1", 10, nil)
	b.give(t, credits.SourcePromotion, "promo:1", 5, b.in(time.Hour))
	b.give(t, credits.SourcePromotion, "gone:1", 9, b.in(time.Microsecond))
	b.time.Move(time.Microsecond)

	var (
		balances []credits.Balance
		refused  []int64
	)

	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		locked := b.Lock(batch, b.user)

		if err := tx.SendBatch(b.ctx, batch).Close(); err != nil {
			return err
		}

		for _, n := range []int64{16, 4, 8, 12, 3} {
			balance, err := b.HoldLocked(b.ctx, tx, locked, credits.Hold{UserID: b.user, TaskID: uuid.New(), Credits: n, AutoRefundAt: b.time.Now()})
			if err != nil {
				require.ErrorIs(t, err, credits.ErrInsufficient)

				refused = append(refused, n)

				continue
			}

			balances = append(balances, balance)
		}

		return nil
	}))

	require.Equal(t, []int64{16, 12}, refused)
	require.Equal(t, []credits.Balance{{Available: 11, Held: 4}, {Available: 3, Held: 12}, {Held: 15}}, balances)
	b.has(t, credits.Balance{Held: 15})
}
