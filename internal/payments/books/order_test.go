package books_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
)

// A look at the payment of a period takes the plan with the credits: nothing else looks at a canceled subscription.
func TestLookAtOrder_OfAPeriod(t *testing.T) {
	t.Parallel()

	b := setup(t)
	paid := b.buy(t, "pro-yearly")
	b.world.change(paid.SubscriptionID, func(s *payments.Subscription) { s.Status = payments.SubscriptionCanceled })
	b.tell(t, hint{SubscriptionID: paid.SubscriptionID, TransactionID: paid.ID, RefundPending: true})
	b.has(t, 500, 0, "pro")

	b.world.payBack(paid.ID, paid.Money.Paid, false)

	var order uuid.UUID

	require.NoError(t, b.pool.QueryRow(t.Context(), `select id from payment_order where next_look_at is not null`).Scan(&order))
	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.LookAtOrder{OrderID: order, Reconcile: true})

		return err
	}))
	b.jobs.RunAll(t.Context())
	b.has(t, 0, 0, "free")
}
