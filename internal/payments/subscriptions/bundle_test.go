package subscriptions_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/redact"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const day = 24 * time.Hour

// bundle is a person who subscribed, and a vendor who knows it. The service has the rights of the api, its jobs those of a worker.
type bundle struct {
	*subscriptions.Service

	books  *paymentstest.Books
	vendor *paymentstest.Vendor
	jobs   *queuetest.Jobs
	pool   *pgxpool.Pool
	person paymentstest.Person
	sub    paymentstest.Subscription
}

func setup(t *testing.T, productID string) *bundle {
	t.Helper()

	// What is sold, and a plan that is better and by the year, too.
	data, err := os.ReadFile("testdata/products.json")
	require.NoError(t, err)

	sold, err := products.Load(data, products.Test)
	require.NoError(t, err)

	app, _, _ := devtest.PostgresURLs(t)
	b := &bundle{pool: devtest.Pool(t, app), vendor: &paymentstest.Vendor{Email: "Ada@example.com"}}
	b.books = paymentstest.NewBooks(t, b.pool)
	registry := queue.NewRegistry(paymentstest.Kinds())
	b.jobs = queuetest.New(t, b.pool, registry)

	serve := func(login string) *subscriptions.Service {
		return subscriptions.New(subscriptions.Deps{
			Pool: devtest.Pool(t, devtest.As(t, app, login)), Queue: b.jobs.Queue(), Ledger: b.books.Ledger, Products: sold,
			Vendor: b.vendor, Addresses: addresses{}, Log: slog.New(slog.DiscardHandler), Now: b.books.Time.Now,
		})
	}

	b.Service = serve("api")
	serve("worker").Register(registry)

	b.person = b.books.NewPerson()
	b.sub = b.books.Subscribe(b.person, productID)
	b.vendor.PutSubscription(payments.Subscription{ID: b.sub.VendorID, Status: payments.SubscriptionActive})

	return b
}

// addresses are those of accounts: all have the same.
type addresses struct{}

func (addresses) AddressOf(context.Context, uuid.UUID) (redact.Personal, error) {
	return redact.NewPersonal("ada@example.com"), nil
}

// set sets the status of the only subscription.
func (b *bundle) set(status payments.SubscriptionStatus) {
	b.books.Exec(`update payment_subscription set status = $1`, string(status))
}

// looks is how many looks at the subscription are staged that are due.
func (b *bundle) looks() (n int) {
	for _, j := range b.jobs.Pending() {
		if j.Kind == (jobs.LookAtSubscription{}).Kind() && j.DueIn <= 0 && j.Key == b.sub.ID.String() {
			n++
		}
	}

	return n
}

// changes is the status of each change, the first first.
func (b *bundle) changes() []string {
	return paymentstest.Read[[]string](b.books, `select coalesce(array_agg(status order by created_at), '{}') from payment_change`)
}
