package books_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments/products"
)

// One payment that cannot be settled keeps no other from it, nor plans and checkouts from their end.
func TestSettle_OneThatFails(t *testing.T) {
	t.Parallel()

	b := setup(t)
	start := b.now.Now()
	broken := b.buy(t, "pro-yearly")

	_, err := b.pool.Exec(t.Context(), `update payment_order set product_id = 'no-longer-in-the-file' where transaction_id = $1`, broken.ID)
	require.NoError(t, err)

	other, third := b.another(t, nil), b.another(t, nil)
	other.buy(t, "pro-yearly")
	third.buy(t, "pro-monthly")
	open, _ := other.wish(t, "pack-small")

	b.now.Move(products.AddMonths(start, 1).Sub(start) + 4*day)
	require.ErrorContains(t, b.Settle(t.Context()), "put it back as retired")
	other.has(t, 1000, 0, "pro")
	third.has(t, 500, 0, "free")

	var status string

	require.NoError(t, b.pool.QueryRow(t.Context(), `select status from payment_checkout where id = $1`, open).Scan(&status))
	require.Equal(t, "expired", status)
}
