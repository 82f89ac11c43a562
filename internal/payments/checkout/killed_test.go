package checkout_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/clock/clocktest"
	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/plan"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

// death is where a process dies that begins a checkout.
type death struct {
	paymentstest.Death
	Creem   string
	User    uuid.UUID
	Now     time.Time
	Product string
}

// doomed is a vendor each call of which is a step.
type doomed struct {
	checkout.Vendor

	k *paymentstest.Killer
}

func (d doomed) CreateCheckout(ctx context.Context, c payments.NewCheckout) (payments.Checkout, error) {
	return paymentstest.Call(d.k, func() (payments.Checkout, error) { return d.Vendor.CreateCheckout(ctx, c) })
}

// seller is a service that sells by Creem's simulator, and the books of it.
type seller struct {
	*checkout.Service

	books *books.Books
	jobs  *queuetest.Jobs
	user  uuid.UUID
}

func newSeller(t *testing.T, pool *pgxpool.Pool, d death, now clock.Now, wrap func(checkout.Vendor) checkout.Vendor) *seller {
	t.Helper()

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	client := paymentstest.NewClient(t, d.Creem)
	sold, ledger, log := paymentstest.Products(t), credits.New(credits.Options{Now: now}), slog.New(slog.DiscardHandler)
	registry := queue.NewRegistry(jobs.Kinds())
	s := &seller{jobs: queuetest.New(t, pool, registry), user: d.User}

	s.books = books.New(books.Deps{
		Pool: pool, Queue: s.jobs.Queue(), Ledger: ledger, Products: sold, Plans: plans, Vendor: client, ParseHint: creem.ParseHint, Log: log, Now: now,
	})
	s.books.Register(registry)

	s.Service = checkout.New(checkout.Deps{
		Pool: pool, Queue: s.jobs.Queue(), Ledger: ledger, Products: sold, Vendor: wrap(client), Addresses: addresses{}, Log: log, Now: now,
		Options: checkout.Options{ReturnURL: "https://app.example/checkout/return/", Lifetime: time.Hour, LookAfter: 10 * time.Minute},
	})

	return s
}

// begin begins a checkout of a product.
func (s *seller) begin(t *testing.T, product, key string) (checkout.Checkout, error) {
	t.Helper()

	return s.Begin(t.Context(), s.user, checkout.Request{ProductID: product, Currency: "EUR", IdempotencyKey: key, Fingerprint: []byte("f")})
}

// TestBegin_Killed_Prove kills a process, as kill -9 does, before and after every statement and the call of the vendor by which it begins a
// checkout. The person can always begin one again: with the same key when the first is given up, with another when its hour is over. What
// they pay is given once.
func TestBegin_Killed_Prove(t *testing.T) { //nolint:tparallel // the process that dies is no test
	var d death
	if paymentstest.Doomed(t, &d) {
		d.begin(t)

		return
	}

	t.Parallel()

	for name, c := range map[string]struct {
		product, key string // that they begin again with
		after        time.Duration
		credits      int64
	}{
		"Pack":             {product: "pack-small", key: "key", after: 3 * time.Minute, credits: 100},
		"Plan":             {product: "pro-monthly", key: "key", after: 3 * time.Minute, credits: 500},
		"PlanByAnotherKey": {product: "pro-monthly", key: "another key", after: time.Hour + time.Minute, credits: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			paymentstest.EachDeath(t, 6, func(t *testing.T, at paymentstest.Death) bool {
				t.Helper()

				pool, now := devtest.Pool(t, at.URL), clocktest.New()
				sim := paymentstest.NewCreem(t, now, 0)
				d := death{Death: at, Creem: sim.URL, User: uuid.New(), Now: now.Now(), Product: c.product}
				s := newSeller(t, pool, d, now.Now, func(v checkout.Vendor) checkout.Vendor { return v })
				died := paymentstest.Kill(t, d)

				// They try again at once.
				_, err := s.begin(t, c.product, "key")
				require.NoError(t, err)

				open := func() (n int) {
					require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from payment_checkout where status in ('creating', 'open')`).Scan(&n))

					return n
				}
				require.Equal(t, 1, open())

				// Some time later, too. By the same key they have another as soon as the first was given up.
				now.Move(c.after)
				sim.Tick()

				if c.key == "key" {
					require.NoError(t, s.books.Settle(t.Context()))
				}

				last, err := s.begin(t, c.product, c.key)
				require.NoError(t, err)
				require.Equal(t, checkout.StatusOpen, last.Status)
				require.NotEmpty(t, last.URL)
				require.Equal(t, 1, open())

				s.pay(t, pool, sim, last.ID)
				require.Zero(t, open())

				var orders, grants, given int64

				require.NoError(t, pool.QueryRow(t.Context(), `select (select count(*) from payment_order), count(*), sum(amount) from credit_grant`).
					Scan(&orders, &grants, &given))
				require.Equal(t, []int64{1, 1, c.credits}, []int64{orders, grants, given})
				creditstest.Check(t, pool)

				if _, err := s.begin(t, "pro-monthly", "one more"); c.product == "pro-monthly" {
					require.ErrorIs(t, err, checkout.ErrSubscribed)
				} else {
					require.NoError(t, err)
				}

				return died
			})
		})
	}
}

// begin is what the process does that dies.
func (d death) begin(t *testing.T) {
	t.Helper()

	k := paymentstest.NewKiller(d.Death)
	s := newSeller(t, k.Open(t), d, clocktest.At(d.Now).Now, func(v checkout.Vendor) checkout.Vendor { return doomed{v, k} })

	k.Watch(func() {
		_, err := s.begin(t, d.Product, "key")
		require.NoError(t, err)
	})
}

// pay has a checkout paid, and each webhook come twice.
func (s *seller) pay(t *testing.T, pool *pgxpool.Pool, sim *paymentstest.Creem, id uuid.UUID) {
	t.Helper()

	var page string

	require.NoError(t, pool.QueryRow(t.Context(), `select vendor_id from payment_checkout where id = $1`, id).Scan(&page))

	_, err := sim.PayCheckout(page)
	require.NoError(t, err)

	for _, e := range append(sim.Events(), sim.Events()...) {
		h, err := creem.ParseHint(e.Type, e.Body)
		require.NoError(t, err)
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.books.Hint(t.Context(), tx, h, false) }))
		s.jobs.RunAll(t.Context())
	}
}
