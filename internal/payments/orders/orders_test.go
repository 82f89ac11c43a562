package orders_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a reader on a database of its own.
type bundle struct {
	*orders.Reader

	pool    *pgxpool.Pool
	ledger  *credits.Ledger
	user    uuid.UUID
	subject uuid.UUID
	now     time.Time
}

func setup(t *testing.T) *bundle {
	t.Helper()

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	b := &bundle{pool: devtest.Postgres(t), ledger: credits.New(credits.Options{Now: clock.System}), user: uuid.New(), now: clock.System()}
	b.Reader = orders.New(b.pool, b.ledger, sold)
	b.subject = b.subjectOf(t, b.user)

	return b
}

func (b *bundle) subjectOf(t *testing.T, user uuid.UUID) (subject uuid.UUID) {
	t.Helper()
	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		subject, err = b.ledger.Subject(t.Context(), tx, user)

		return err
	}))

	return subject
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()

	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// pay writes the order of a pack.
func (b *bundle) pay(t *testing.T, subject uuid.UUID, at time.Time) uuid.UUID {
	t.Helper()

	id := uuid.New()
	b.exec(t, `insert into payment_order (id, subject, kind, product_id, order_id, transaction_id, customer_mask, email, currency, net, tax, paid, paid_at, credits)
		values ($1, $2, 'pack', 'pack-small', $3, $4, '…1234', 'buyer@example.com', 'EUR', 500, 95, 595, $5, 100)`,
		id, subject, "ord_"+id.String(), "tran_"+id.String(), at)

	return id
}

func TestGet(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := b.pay(t, b.subject, b.now)

	o, err := b.Get(t.Context(), b.user, id)
	require.NoError(t, err)
	require.Equal(t, "buyer@example.com", o.Email.Reveal())

	o.Email = orders.Order{}.Email
	require.Equal(t, orders.Order{
		ID: id, Kind: products.Pack, ProductID: "pack-small", Product: "100 credits", TransactionID: "tran_" + id.String(), Customer: "…1234",
		Money: payments.Money{Currency: "EUR", Net: 500, Tax: 95, Paid: 595}, PaidAt: b.now, Credits: 100, Refund: orders.RefundNone,
	}, o)

	for name, who := range map[string]struct{ user, id uuid.UUID }{"another's": {uuid.New(), id}, "unknown": {b.user, uuid.New()}} {
		_, err := b.Get(t.Context(), who.user, who.id)
		require.ErrorIs(t, err, orders.ErrNotFound, name)
	}
}

func TestGet_OfAPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)
	checkout, subscription, id := uuid.New(), uuid.New(), uuid.New()
	ends := products.AddMonths(b.now, 1)

	b.exec(t, `insert into payment_checkout (id, subject, product_id, plan, currency, amount, status, waiver, waived_at, created_at, expires_at, ended_at)
		values ($1, $2, 'pro-monthly', true, 'EUR', 1500, 'completed', 'yes', $3, $3, $3, $3)`, checkout, b.subject, b.now)
	b.exec(t, `insert into payment_subscription (id, vendor_id, subject, checkout_id, product_id, status) values ($1, 'sub_1', $2, $3, 'pro-monthly', 'active')`,
		subscription, b.subject, checkout)
	b.exec(t, `insert into payment_order (id, subject, kind, product_id, subscription_id, transaction_id, currency, net, tax, paid, paid_at, period_start, period_end)
		values ($1, $2, 'plan', 'pro-monthly', $3, 'tran_1', 'EUR', 1500, 0, 1500, $4, $4, $5)`, id, b.subject, subscription, b.now, ends)

	o, err := b.Get(t.Context(), b.user, id)
	require.NoError(t, err)
	require.Equal(t, "pro", o.Plan)
	require.Equal(t, subscription, *o.SubscriptionID)
	require.Equal(t, b.now, *o.PeriodStart)
	require.Equal(t, ends, *o.PeriodEnd)
	require.Equal(t, b.now, *o.WaivedAt, "what was said at the checkout counts for the payments that came of it")
}

func TestGet_Refund(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := b.pay(t, b.subject, b.now)

	state := func() orders.RefundState {
		o, err := b.Get(t.Context(), b.user, id)
		require.NoError(t, err)

		return o.Refund
	}

	require.Equal(t, orders.RefundNone, state())

	b.exec(t, `insert into payment_refund (id, order_id, amount, reason, actor, created_at) values ($1, $2, 595, 'withdrawal', 'owner', $3)`, uuid.New(), id, b.now)
	require.Equal(t, orders.RefundPending, state(), "we have asked")

	b.exec(t, `update payment_refund set status = 'done'`)
	b.exec(t, `update payment_order set refund_pending = true`)
	require.Equal(t, orders.RefundPending, state(), "the vendor is at it")

	b.exec(t, `update payment_order set refund_pending = false, refunded = 100`)
	require.Equal(t, orders.RefundPartly, state())

	b.exec(t, `update payment_order set refunded = 595`)
	require.Equal(t, orders.RefundFully, state())

	b.exec(t, `update payment_order set disputed = true`)
	require.Equal(t, orders.RefundDisputed, state())
}

func TestList(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.pay(t, b.subjectOf(t, uuid.New()), b.now)

	var paid []uuid.UUID
	for i := range 3 {
		paid = append([]uuid.UUID{b.pay(t, b.subject, b.now.Add(time.Duration(i)*time.Hour))}, paid...)
	}

	first, err := b.List(t.Context(), b.user, orders.Place{}, 2)
	require.NoError(t, err)
	require.True(t, first.HasMore)
	require.Len(t, first.Orders, 2)

	last := first.Orders[1]

	second, err := b.List(t.Context(), b.user, orders.Place{PaidAt: last.PaidAt, ID: last.ID}, 2)
	require.NoError(t, err)
	require.False(t, second.HasMore)
	require.Equal(t, []uuid.UUID{first.Orders[0].ID, last.ID, second.Orders[0].ID}, paid)

	none, err := b.List(t.Context(), uuid.New(), orders.Place{}, 2)
	require.NoError(t, err)
	require.Empty(t, none.Orders)
}
