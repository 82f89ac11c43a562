package withdrawal_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/payments/withdrawal"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const day = 24 * time.Hour

// bundle is a person who buys, and may withdraw. The service has the rights of the api.
type bundle struct {
	*withdrawal.Service

	books  *paymentstest.Books
	vendor *paymentstest.Vendor
	jobs   *queuetest.Jobs
	pool   *pgxpool.Pool
	owner  *pgxpool.Pool
	person paymentstest.Person
}

func setup(t *testing.T) *bundle {
	t.Helper()

	return setupWith(t, withdrawal.Options{On: true})
}

func setupWith(t *testing.T, o withdrawal.Options) *bundle {
	t.Helper()

	app, _, owner := devtest.PostgresURLs(t)
	b := &bundle{pool: devtest.Pool(t, app), owner: devtest.Pool(t, owner), vendor: &paymentstest.Vendor{}}
	api, worker := devtest.Pool(t, devtest.As(t, app, "api")), devtest.Pool(t, devtest.As(t, app, "worker"))
	b.books = paymentstest.NewBooks(t, b.pool)
	registry := queue.NewRegistry(paymentstest.Kinds())
	b.jobs = queuetest.New(t, b.pool, registry)

	of := func(pool *pgxpool.Pool) *refunds.Service {
		return refunds.New(refunds.Deps{
			Pool: pool, Queue: b.jobs.Queue(), Vendor: b.vendor, Log: slog.New(slog.DiscardHandler), Now: b.books.Time.Now,
		})
	}
	of(worker).Register(registry)

	b.Service = withdrawal.New(withdrawal.Deps{
		Pool: api, Queue: b.jobs.Queue(), Ledger: b.books.Ledger, Refunds: of(api), Products: paymentstest.Products(t), Now: b.books.Time.Now, Options: o,
	})
	b.person = b.books.NewPerson()

	return b
}

// use spends credits of the person.
func (b *bundle) use(n int64) {
	b.books.InTx(func(ctx context.Context, tx pgx.Tx) error {
		task := uuid.New()

		_, err := b.books.Ledger.Hold(ctx, tx, credits.Hold{UserID: b.person.ID, TaskID: task, Credits: n, AutoRefundAt: b.books.Time.Now().Add(time.Hour)})
		if err != nil {
			return err
		}

		if err := b.books.Ledger.Capture(ctx, tx, task, 0, n); err != nil {
			return err
		}

		_, err = b.books.Ledger.Release(ctx, tx, task)

		return err
	})
}

// offer demands that there is one.
func (b *bundle) offer(t *testing.T, order uuid.UUID) withdrawal.Offer {
	t.Helper()

	o, err := b.Offer(t.Context(), b.person.ID, order)
	require.NoError(t, err)
	require.NotEmpty(t, o.Token)

	return o
}

// withdraw declares what is offered.
func (b *bundle) withdraw(t *testing.T, order uuid.UUID) withdrawal.Withdrawal {
	t.Helper()

	o := b.offer(t, order)

	w, err := b.Declare(t.Context(), b.person.ID, order, o.Token)
	require.NoError(t, err)
	require.Equal(t, []int64{o.Money, o.Credits}, []int64{w.Money, w.Credits}, "what was told is kept")

	return w
}

// refuses demands that an order cannot be withdrawn from, and that nothing is done.
func (b *bundle) refuses(t *testing.T, order uuid.UUID, want error) {
	t.Helper()

	_, err := b.Offer(t.Context(), b.person.ID, order)
	require.ErrorIs(t, err, want)
	_, err = b.Declare(t.Context(), b.person.ID, order, "a token")
	require.ErrorIs(t, err, want)
	require.Zero(t, paymentstest.Read[int](b.books, `select count(*) from payment_withdrawal`))
}

// give gives credits of a pack.
func (b *bundle) give(t *testing.T, reference string, n int64) {
	t.Helper()

	b.books.InTx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := b.books.Ledger.Grant(ctx, tx, credits.Grant{Subject: b.person.Subject, Source: credits.SourcePack, Reference: reference, Credits: n})

		return err
	})
}

// has demands what the person has, and that the invariants of the ledger hold.
func (b *bundle) has(t *testing.T, want credits.Balance) {
	t.Helper()

	got, err := b.books.Ledger.Balance(t.Context(), b.pool, b.person.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	creditstest.Check(t, b.pool)
}

// refund is the money that goes back: its amount, and where it is.
func (b *bundle) refund() string {
	return paymentstest.Read[string](b.books, `select coalesce(string_agg(amount || ' ' || status || ' ' || reason || ' ' || actor, ', '), '') from payment_refund`)
}

// know has the vendor know the payment of an order.
func (b *bundle) know(order uuid.UUID, paid int64) {
	b.vendor.PutTransaction(payments.Transaction{
		ID: "tran_" + order.String(), Status: payments.TransactionPaid, Money: payments.Money{Currency: "EUR", Paid: paid},
	})
}
