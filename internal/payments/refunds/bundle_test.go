package refunds_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/refunds"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const paid = 500

// bundle is a pack that was paid, and a vendor who knows the payment.
type bundle struct {
	*refunds.Service

	books  *paymentstest.Books
	vendor *paymentstest.Vendor
	jobs   *queuetest.Jobs
	person paymentstest.Person
	order  uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()

	pool := devtest.Postgres(t)
	b := &bundle{books: paymentstest.NewBooks(t, pool), vendor: &paymentstest.Vendor{}}
	registry := queue.NewRegistry(paymentstest.Kinds())
	b.jobs = queuetest.New(t, pool, registry)
	b.Service = refunds.New(refunds.Deps{
		Pool: pool, Queue: b.jobs.Queue(), Vendor: b.vendor, Log: slog.New(slog.DiscardHandler), Now: b.books.Time.Now,
	})
	b.Register(registry)

	b.person = b.books.NewPerson()
	b.order = b.books.BuyPack(b.person, "pack-small", false)
	b.know(payments.TransactionPaid, 0)

	return b
}

// know has the vendor know the payment.
func (b *bundle) know(status payments.TransactionStatus, refunded int64) {
	b.vendor.PutTransaction(payments.Transaction{
		ID: "tran_" + b.order.String(), Status: status, Money: payments.Money{Currency: "EUR", Paid: paid}, Refunded: refunded,
	})
}

// ask asks for money back in a request of its own.
func (b *bundle) ask(t *testing.T, amount int64) (uuid.UUID, refunds.Status) {
	t.Helper()

	r := refunds.Request{ID: uuid.New(), OrderID: b.order, Amount: amount, Reason: refunds.Goodwill, Actor: "ops"}
	status, err := b.try(r)
	require.NoError(t, err)

	return r.ID, status
}

func (b *bundle) try(r refunds.Request) (status refunds.Status, err error) {
	b.books.InTx(func(ctx context.Context, tx pgx.Tx) error {
		status, err = b.Ask(ctx, tx, r)

		return nil
	})

	return status, err
}

// is demands where a refund is, and which difference is open.
func (b *bundle) is(t *testing.T, id uuid.UUID, status refunds.Status, difference string) {
	t.Helper()

	require.Equal(t, string(status), paymentstest.Read[string](b.books, `select status from payment_refund where id = $1`, id))
	require.Equal(t, difference, paymentstest.Read[string](b.books, `select coalesce(string_agg(kind, ' '), '') from payment_difference where status = 'open' and about = $1`, id.String()))
}

// looks are the kinds of the looks that are staged.
func (b *bundle) looks() (kinds []string) {
	for _, j := range b.jobs.Pending() {
		if j.Kind != "payments.refund_order" {
			kinds = append(kinds, j.Kind)
		}
	}

	return kinds
}
