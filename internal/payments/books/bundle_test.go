package books_test

import (
	"encoding/json"
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
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/plan"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is books with a vendor and a clock that the test moves, and one person.
type bundle struct {
	*books.Books

	world      *world
	reconciler *reconcile.Reconciler
	ledger     *credits.Ledger
	jobs       *queuetest.Jobs
	pool       *pgxpool.Pool // of the owner of the tables; the books connect as a worker
	now        *clocktest.Clock
	user       uuid.UUID
	subject    uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()

	app, _, owner := devtest.PostgresURLs(t)

	return setupOn(t, devtest.Pool(t, devtest.As(t, app, "worker")), devtest.Pool(t, owner))
}

func setupOn(t *testing.T, worker, owner *pgxpool.Pool) *bundle {
	t.Helper()

	b := &bundle{pool: owner, now: clocktest.At(clock.System().Truncate(time.Second)), user: uuid.New()}
	b.ledger = credits.New(credits.Options{Now: b.now.Now})

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	b.world = newWorld(b.now, sold)
	registry := queue.NewRegistry(jobs.Kinds())
	b.jobs = queuetest.New(t, worker, registry)

	b.Books = books.New(books.Deps{
		Pool: worker, Queue: b.jobs.Queue(), Ledger: b.ledger, Products: sold, Plans: plans, Vendor: b.world, ParseHint: parseHint, Log: slog.New(slog.DiscardHandler), Now: b.now.Now,
	})
	b.Books.Register(registry)

	b.reconciler = reconcile.New(reconcile.Deps{
		Pool: worker, Queue: b.jobs.Queue(), Books: b.Books, Products: sold, Vendor: b.world, Log: slog.New(slog.DiscardHandler), Now: b.now.Now,
	})
	b.reconciler.Register(registry)

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		b.subject, err = b.ledger.Subject(t.Context(), tx, b.user)

		return err
	}))

	return b
}

// parseHint reads the hints of these tests, which are their own JSON.
func parseHint(_ string, body []byte) (h payments.Hint, err error) {
	return h, json.Unmarshal(body, &h)
}

// hint is what a webhook is about.
type hint = payments.Hint

// tell has a webhook of the vendor worked, and what it stages.
func (b *bundle) tell(t *testing.T, h hint) {
	t.Helper()

	body, err := json.Marshal(h)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		return b.HandleEvent(t.Context(), tx, inbox.Event{Source: "creem", ID: uuid.NewString(), Type: "told", Body: body})
	}))
	b.jobs.RunAll(t.Context())
}

// wish makes a checkout of a product, here and at the vendor.
func (b *bundle) wish(t *testing.T, product string) (ours uuid.UUID, theirs string) {
	t.Helper()

	ours = uuid.New()
	theirs = b.world.open(ours)
	now := b.now.Now()

	_, err := b.pool.Exec(t.Context(), `insert into payment_checkout
		(id, subject, product_id, plan, currency, amount, status, vendor_id, url, created_at, expires_at, next_look_at)
		values ($1, $2, $3, false, 'EUR', 100, 'open', $4, 'https://pay', $5, $6, $7)`,
		ours, b.subject, product, theirs, now, now.Add(24*time.Hour), now.Add(5*time.Minute))
	require.NoError(t, err)

	return ours, theirs
}

// buy has the person buy something, and the webhook come.
func (b *bundle) buy(t *testing.T, product string) payments.Transaction {
	t.Helper()

	ours, theirs := b.wish(t, product)
	paid := b.world.pay(theirs, product)
	b.tell(t, hint{CheckoutID: ours, VendorCheckout: theirs, SubscriptionID: paid.SubscriptionID, OrderID: paid.OrderID})

	return paid
}

// pass lets time pass, and does what the schedules do.
func (b *bundle) pass(t *testing.T, d time.Duration) {
	t.Helper()

	b.now.Move(d)
	b.jobs.Advance(d)
	require.NoError(t, b.Settle(t.Context()))
	b.jobs.RunAll(t.Context())
}

// reconcile does what the nightly schedule does.
func (b *bundle) reconcile(t *testing.T) reconcile.Report {
	t.Helper()

	report, err := b.reconciler.Run(t.Context(), reconcile.Options{Whole: true})
	require.NoError(t, err)
	b.jobs.RunAll(t.Context())
	require.Empty(t, b.jobs.Dead())

	return report
}

// spend has credits used for good.
func (b *bundle) spend(t *testing.T, n int64) error {
	t.Helper()

	return pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		task := uuid.New()
		if _, err := b.ledger.Hold(t.Context(), tx, credits.Hold{UserID: b.user, TaskID: task, Credits: n, AutoRefundAt: b.now.Now().Add(time.Hour)}); err != nil {
			return err
		}

		if err := b.ledger.Capture(t.Context(), tx, task, 0, n); err != nil {
			return err
		}

		_, err := b.ledger.Release(t.Context(), tx, task)

		return err
	})
}

// has demands what the person has: credits, what they owe, and their plan; and that the ledger is sound.
func (b *bundle) has(t *testing.T, available, debt int64, planID string) {
	t.Helper()

	_, err := b.ledger.Expire(t.Context(), b.pool, 1000)
	require.NoError(t, err)

	got, err := b.ledger.Balance(t.Context(), b.pool, b.user)
	require.NoError(t, err)
	require.Equal(t, credits.Balance{Available: available, Debt: debt}, got)
	require.Equal(t, planID, b.plan(t))
	creditstest.Check(t, b.pool)
}

func (b *bundle) plan(t *testing.T) (id string) {
	t.Helper()

	err := b.pool.QueryRow(t.Context(), `select plan from generation_user where user_id = $1`, b.user).Scan(&id)
	if err != nil {
		require.ErrorIs(t, err, pgx.ErrNoRows)

		id = plan.Default
	}

	return id
}

// differences lists what was noted, as "kind status".
func (b *bundle) differences(t *testing.T) []string {
	t.Helper()

	rows, err := b.pool.Query(t.Context(), `select kind || ' ' || status from payment_difference order by kind, about`)
	require.NoError(t, err)

	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	return list
}
