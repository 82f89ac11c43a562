package books_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/payments/withdrawal"
)

// withdraw has the person withdraw from what a payment paid.
func (b *bundle) withdraw(t *testing.T, paid payments.Transaction) withdrawal.Withdrawal {
	t.Helper()

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	s := withdrawal.New(withdrawal.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Ledger: b.ledger, Products: sold, Now: b.now.Now, Options: withdrawal.Options{On: true},
		Refunds: refunds.New(refunds.Deps{Pool: b.pool, Queue: b.jobs.Queue(), Log: slog.New(slog.DiscardHandler), Now: b.now.Now}),
	})

	var order uuid.UUID

	require.NoError(t, b.pool.QueryRow(t.Context(), `select id from payment_order where transaction_id = $1 or order_id = $2`, paid.ID, paid.OrderID).Scan(&order))

	o, err := s.Offer(t.Context(), b.user, order)
	require.NoError(t, err)

	w, err := s.Declare(t.Context(), b.user, order, o.Token)
	require.NoError(t, err)

	return w
}

// An order that was withdrawn from gives nothing more; and who used some of it without a waiver owes nothing when their money is back.
func TestWithdrawn(t *testing.T) {
	t.Parallel()

	t.Run("APack", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		require.NoError(t, b.spend(t, 30))
		b.withdraw(t, paid)
		b.has(t, 0, 0, "free")

		b.world.payBack(paid.ID, paid.Money.Paid, false)
		b.tell(t, hint{OrderID: paid.OrderID, TransactionID: paid.ID})
		b.has(t, 0, 0, "free")
	})

	t.Run("TheBankTakesItAllTheSame", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		require.NoError(t, b.spend(t, 30))
		b.withdraw(t, paid)
		b.world.payBack(paid.ID, paid.Money.Paid, true)
		b.tell(t, hint{OrderID: paid.OrderID, TransactionID: paid.ID})
		b.has(t, 0, 30, "free")
	})

	t.Run("AYear", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pro-yearly")
		b.has(t, 500, 0, "pro")
		b.withdraw(t, paid)
		b.tell(t, hint{SubscriptionID: paid.SubscriptionID})
		b.has(t, 0, 0, "free")

		b.pass(t, 40*24*time.Hour)
		b.tell(t, hint{SubscriptionID: paid.SubscriptionID})
		b.has(t, 0, 0, "free")
	})
}
