// Package paymentstest is what tests of payments share: rows of what was paid, and a vendor that does as it is told.
package paymentstest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/credits"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/products"
	"imagerun/queue"
)

// Kinds are those that the parts of payments stage.
func Kinds() queue.Kinds {
	var policies []queue.Policy

	for _, args := range []queue.Args{
		jobs.LookAtCheckout{}, jobs.LookAtSubscription{}, jobs.LookAtOrder{}, jobs.RefundOrder{}, jobs.CancelSubscription{},
	} {
		policies = append(policies, queue.Policy{
			Args: args, Queue: "payments", Attempts: 50, Timeout: time.Minute, Snooze: 10 * time.Second, Final: []string{},
			Backoff: queue.Backoff{First: 5 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		})
	}

	return queue.NewKinds(policies...)
}

// Products are those that are sold, in the vendor's world for tests.
func Products(t testing.TB) *products.Products {
	t.Helper()

	p, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	return p
}

// Person is one who buys.
type Person struct {
	ID      uuid.UUID
	Subject uuid.UUID
}

// Books are rows of what was paid. Its clock stands still until it is moved.
type Books struct {
	t      testing.TB
	pool   *pgxpool.Pool
	Ledger *credits.Ledger
	Time   *clocktest.Clock
	shop   *products.Products
}

// NewBooks returns books in a database. They begin at an hour that all times of a test are easily counted from.
func NewBooks(t testing.TB, pool *pgxpool.Pool) *Books {
	t.Helper()

	c := clocktest.At(time.Date(2026, time.November, 3, 12, 0, 0, 0, time.UTC))

	return &Books{t: t, pool: pool, Ledger: credits.New(credits.Options{Now: c.Now}), Time: c, shop: Products(t)}
}

// NewPerson makes a person.
func (b *Books) NewPerson() (p Person) {
	b.t.Helper()

	p.ID = uuid.New()

	b.InTx(func(ctx context.Context, tx pgx.Tx) (err error) {
		p.Subject, err = b.Ledger.Subject(ctx, tx, p.ID)

		return err
	})

	return p
}

// InTx does something in a transaction.
func (b *Books) InTx(fn func(context.Context, pgx.Tx) error) {
	b.t.Helper()

	ctx := b.t.Context()
	require.NoError(b.t, pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error { return fn(ctx, tx) }))
}

// Subscription is a row of one.
type Subscription struct {
	ID       uuid.UUID
	VendorID string
	OrderID  uuid.UUID // of its first payment
}

// Subscribe has a person pay for a plan now, in euros, and gives the credits of its first month.
func (b *Books) Subscribe(p Person, productID string) Subscription {
	b.t.Helper()

	product, ok := b.shop.Find(productID)
	require.True(b.t, ok)

	now := b.Time.Now()
	end := products.AddMonths(now, product.Interval.Months())
	s := Subscription{ID: uuid.New(), VendorID: "sub_" + uuid.NewString(), OrderID: uuid.New()}

	b.InTx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into payment_subscription (id, vendor_id, subject, product_id, status, customer_id, period_start, period_end, created_at)
			values ($1, $2, $3, $4, 'active', 'cust_paymentstest', $5, $6, $5)`, s.ID, s.VendorID, p.Subject, productID, now, end)
		if err != nil {
			return err
		}

		_, err = tx.Exec(ctx, `insert into payment_order (id, subject, kind, product_id, subscription_id, transaction_id, currency, net, tax, paid, paid_at,
			period_start, period_end, credits_each, months_given, credits) values ($1, $2, 'plan', $3, $4, $5, 'EUR', $6, 0, $6, $7, $7, $8, $9, 1, $9)`,
			s.OrderID, p.Subject, productID, s.ID, "tran_"+s.OrderID.String(), product.Prices[0].Amount, now, end, product.Credits)
		if err != nil {
			return err
		}

		_, err = b.Ledger.Grant(ctx, tx, credits.Grant{
			Subject: p.Subject, Source: credits.SourceSubscription, Reference: "sub:" + s.VendorID + ":" + now.Format(time.RFC3339),
			Credits: product.Credits, ExpiresAt: product.Expiry(now),
		})

		return err
	})

	return s
}

// BuyPack has a person pay for a pack now, in euros, and gives its credits. Waived: they agreed that they come at once.
func (b *Books) BuyPack(p Person, productID string, waived bool) (orderID uuid.UUID) {
	b.t.Helper()

	product, ok := b.shop.Find(productID)
	require.True(b.t, ok)

	now, checkout := b.Time.Now(), uuid.New()
	orderID = uuid.New()

	var (
		waiver   *string
		waivedAt *time.Time
	)

	if waived {
		waiver, waivedAt = new("At once, please."), &now
	}

	b.InTx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into payment_checkout (id, subject, product_id, plan, currency, amount, status, waiver, waived_at, created_at, expires_at, ended_at)
			values ($1, $2, $3, false, 'EUR', $4, 'completed', $5, $6, $7, $7, $7)`, checkout, p.Subject, productID, product.Prices[0].Amount, waiver, waivedAt, now)
		if err != nil {
			return err
		}

		_, err = tx.Exec(ctx, `insert into payment_order (id, subject, kind, product_id, checkout_id, order_id, transaction_id, currency, net, tax, paid, paid_at, credits_each, months_given, credits)
			values ($1, $2, 'pack', $3, $4, $5, $6, 'EUR', $7, 0, $7, $8, $9, 1, $9)`,
			orderID, p.Subject, productID, checkout, "ord_"+orderID.String(), "tran_"+orderID.String(), product.Prices[0].Amount, now, product.Credits)
		if err != nil {
			return err
		}

		_, err = b.Ledger.Grant(ctx, tx, credits.Grant{
			Subject: p.Subject, Source: credits.SourcePack, Reference: "creem:ord_" + orderID.String(), Credits: product.Credits, ExpiresAt: product.Expiry(now),
		})

		return err
	})

	return orderID
}

// Exec executes SQL, with the rights of the processes.
func (b *Books) Exec(sql string, args ...any) {
	b.t.Helper()

	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// Read reads one value.
func Read[T any](b *Books, sql string, args ...any) (v T) {
	b.t.Helper()
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&v))

	return v
}
