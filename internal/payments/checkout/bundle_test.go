package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/clock/clocktest"
	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a service on a database of its own, and a vendor that does as it is told.
type bundle struct {
	*checkout.Service

	jobs    *queuetest.Jobs
	pool    *pgxpool.Pool
	vendor  *vendor
	now     *clocktest.Clock
	user    uuid.UUID
	subject uuid.UUID
}

func setup(t *testing.T, edits ...func(*checkout.Options)) *bundle {
	t.Helper()

	b := &bundle{pool: devtest.Postgres(t), vendor: &vendor{}, now: clocktest.At(clock.System()), user: uuid.New()}

	b.jobs = queuetest.New(t, b.pool, queue.NewRegistry(queue.NewKinds(queue.Policy{
		Args: jobs.LookAtCheckout{}, Queue: "payments", Attempts: 1, Timeout: time.Minute, Final: []string{}, Snooze: time.Second,
		Backoff: queue.Backoff{First: time.Second, Max: time.Second, Factor: 1},
	})))

	sold, err := products.Load([]byte(sale), products.Test)
	require.NoError(t, err)

	options := checkout.Options{ReturnURL: "https://app.example/checkout/return/", WaiverOn: true, Lifetime: time.Hour, LookAfter: 10 * time.Minute}
	for _, edit := range edits {
		edit(&options)
	}

	ledger := credits.New(credits.Options{Now: b.now.Now})

	b.Service = checkout.New(checkout.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Ledger: ledger, Products: sold, Vendor: b.vendor, Addresses: addresses{},
		Log: slog.New(slog.DiscardHandler), Now: b.now.Now, Options: options,
	})

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) (err error) {
		b.subject, err = ledger.Subject(t.Context(), tx, b.user)

		return err
	}))

	return b
}

const sale = `{"products": [
	{"id": "pack", "kind": "pack", "name": "100 credits", "description": "Some.", "credits": 100, "prices": [
		{"currency": "EUR", "amount": 500, "vendor_ids": {"test": "prod_pack"}}, {"currency": "USD", "amount": 600, "vendor_ids": {"live": "prod_live"}}]},
	{"id": "pro", "kind": "plan", "name": "Pro", "description": "More.", "credits": 500, "plan": "pro", "rank": 1, "interval": "month", "prices": [
		{"currency": "EUR", "amount": 1500, "vendor_ids": {"test": "prod_pro"}}]},
	{"id": "nowhere", "kind": "pack", "name": "Nowhere", "description": "None.", "credits": 1, "prices": [{"currency": "EUR", "amount": 500, "vendor_ids": {}}]},
	{"id": "old", "kind": "pack", "name": "Old", "description": "Gone.", "credits": 1, "retired": true, "prices": [
		{"currency": "EUR", "amount": 500, "vendor_ids": {"test": "prod_old"}}]}
]}`

type addresses struct{}

func (addresses) AddressOf(context.Context, uuid.UUID) (redact.Personal, error) {
	return redact.NewPersonal("buyer@example.com"), nil
}

// vendor makes checkouts. Its calls may fail before or after the checkout is there.
type vendor struct {
	mu     sync.Mutex
	made   []payments.NewCheckout
	before []error // of the next calls: nothing happened
	after  []error // likewise: it happened
	during func()
}

func (v *vendor) CreateCheckout(_ context.Context, c payments.NewCheckout) (payments.Checkout, error) {
	v.mu.Lock()
	defer v.mu.Unlock()

	if v.during != nil {
		v.during()
	}

	if err := next(&v.before); err != nil {
		return payments.Checkout{}, err
	}

	v.made = append(v.made, c)
	id := "ch_" + strconv.Itoa(len(v.made)) + c.CheckoutID.String()

	return payments.Checkout{ID: id, Status: payments.CheckoutOpen, URL: "https://pay.example/" + id, CheckoutID: c.CheckoutID}, next(&v.after)
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}

	err := (*errs)[0]
	*errs = (*errs)[1:]

	return err
}

func failure(class payments.Class) error {
	return &payments.Error{Class: class, Cause: errors.New("of the test")}
}

func (b *bundle) begin(t *testing.T, product string) checkout.Checkout {
	t.Helper()

	c, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: product, Currency: "EUR"})
	require.NoError(t, err)

	return c
}

func (b *bundle) get(t *testing.T, id uuid.UUID) checkout.Checkout {
	t.Helper()

	c, err := b.Get(t.Context(), b.user, id)
	require.NoError(t, err)

	return c
}

func (b *bundle) count(t *testing.T, where string) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from payment_checkout where `+where).Scan(&n))

	return n
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()

	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}
