package checkout_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/internal/payments/checkout"
	"imagerun/queue/queuetest"
)

func TestSold(t *testing.T) {
	t.Parallel()

	sold := setup(t).Sold()
	require.Len(t, sold, 2, "what is retired or has no price here is not sold")
	require.Equal(t, "pack", sold[0].ID)
	require.Len(t, sold[0].Prices, 1)
	require.Equal(t, "EUR", sold[0].Prices[0].Currency)
}

func TestGet(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.begin(t, "pack")

	for name, who := range map[string]struct{ user, id uuid.UUID }{"another's": {uuid.New(), c.ID}, "unknown": {b.user, uuid.New()}} {
		_, err := b.Get(t.Context(), who.user, who.id)
		require.ErrorIs(t, err, checkout.ErrNotFound, name)

		_, err = b.Ask(t.Context(), who.user, who.id)
		require.ErrorIs(t, err, checkout.ErrNotFound, name)
	}

	order := uuid.New()
	b.exec(t, `update payment_checkout set status = 'completed', url = null, ended_at = $1`, b.now.Now())
	b.exec(t, `insert into payment_order (id, subject, kind, product_id, checkout_id, order_id, currency, net, tax, paid, paid_at)
		values ($1, $2, 'pack', 'pack', $3, 'ord_1', 'EUR', 500, 95, 595, $4)`, order, b.subject, c.ID, b.now.Now())

	c = b.get(t, c.ID)
	require.Equal(t, checkout.StatusCompleted, c.Status)
	require.Equal(t, order, *c.OrderID)
	require.Empty(t, c.URL)
}

func TestAsk(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.begin(t, "pack")

	hints := func() (n int) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `select hints from payment_checkout`).Scan(&n))

		return n
	}

	for range 3 {
		_, err := b.Ask(t.Context(), b.user, c.ID)
		require.NoError(t, err)
	}

	require.Equal(t, 1, hints(), "at most once in five seconds")
	require.Equal(t, jobs.LookAtCheckout{CheckoutID: c.ID}, queuetest.Require[jobs.LookAtCheckout](b.jobs))

	b.now.Move(5 * time.Second)

	_, err := b.Ask(t.Context(), b.user, c.ID)
	require.NoError(t, err)
	require.Equal(t, 2, hints(), "a look that is under way is done again")
	require.Len(t, b.jobs.Pending(), 1, "one job for each checkout")

	b.exec(t, `update payment_checkout set status = 'completed', url = null, ended_at = $1`, b.now.Now())
	b.now.Move(5 * time.Second)

	_, err = b.Ask(t.Context(), b.user, c.ID)
	require.NoError(t, err)
	require.Equal(t, 2, hints(), "one that has ended is not looked at")
}
