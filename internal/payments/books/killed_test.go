package books_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/products"
	"imagerun/internal/simulators/creemsim"
	"imagerun/queue"
)

// death is where a worker dies, and what it had to do.
type death struct {
	paymentstest.Death
	Counter counter
	Events  []creemsim.Event // that come to it first
}

// scenario is what a worker does when it dies, and what a person has when all is done.
type scenario struct {
	// before makes the work: the events that come, and jobs.
	before          func(t *testing.T, s *shop) []creemsim.Event
	available, debt int64
	plan            string
}

// scenarios are what books do.
var scenarios = map[string]scenario{ //nolint:gochecknoglobals // a table
	"Pack": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()
			s.buy(t, "pack-small")

			return s.news()
		},
		available: 100, plan: "free",
	},
	"SubscriptionOfTwoPeriods": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()
			s.buy(t, "pro-monthly")
			s.move(30*day + time.Hour)

			return s.news()
		},
		available: 1000, plan: "pro",
	},
	"Refund": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()

			paid := s.buy(t, "pack-large")
			s.work(t, s.news()...)
			require.NoError(t, s.spend(t, 300))
			require.NoError(t, s.sim.Refund(paid.OrderID, 0))

			return s.news()
		},
		debt: 300, plan: "free",
	},
	"Dispute": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()

			paid := s.buy(t, "studio-monthly")
			s.work(t, s.news()...)
			require.NoError(t, s.sim.Dispute(paid.TransactionID))

			return s.news()
		},
		plan: "free",
	},
	"SettleAMonthOfAYear": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()
			s.buy(t, "pro-yearly")
			s.work(t, s.news()...)
			s.move(products.AddMonths(s.now.Now(), 1).Sub(s.now.Now()))
			s.stage(t, jobs.SettlePayments{})

			return nil
		},
		available: 1000, plan: "pro",
	},
	"Reconcile": {
		before: func(t *testing.T, s *shop) []creemsim.Event {
			t.Helper()

			old, sub := s.buy(t, "pack-large"), s.buy(t, "pro-monthly").SubscriptionID
			s.work(t, s.news()...)

			// From now on nothing is told.
			require.NoError(t, s.sim.Refund(old.OrderID, 0))
			s.buy(t, "pack-small")
			s.pay(t, s.open(t, "pack-small", uuid.NewSHA1(s.user, []byte("of another shop"))).ID)
			s.move(30*day + time.Hour)

			_, err := s.client.CancelSubscription(t.Context(), sub)
			require.NoError(t, err)
			s.move(2 * time.Hour)
			s.stage(t, jobs.ReconcilePayments{Whole: true})

			return nil
		},
		available: 1100, plan: "pro",
	},
}

// stage stages a job, as a schedule does.
func (s *shop) stage(t *testing.T, args queue.Args) {
	t.Helper()
	s.inTx(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.jobs.Queue().Stage(ctx, tx, args)

		return err
	})
}

// TestKilled_Prove kills a worker, as kill -9 does, before and after every statement and every call of the vendor that it makes while it
// takes webhooks in and works them and the looks that they stage, gives the credits of a month, and reconciles. Creem sends again what
// it was not answered, and the next worker ends what was begun: all books are then as if none had died.
func TestKilled_Prove(t *testing.T) { //nolint:tparallel // the process that dies is no test
	var d death
	if paymentstest.Doomed(t, &d) {
		d.work(t)

		return
	}

	t.Parallel()

	for name, sc := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			undisturbed := newShop(t, devtest.Postgres(t), 1)
			undisturbed.work(t, sc.before(t, undisturbed)...)
			undisturbed.end(t)
			undisturbed.has(t, sc.available, sc.debt, sc.plan)

			want := undisturbed.state(t)

			paymentstest.EachDeath(t, 25, func(t *testing.T, at paymentstest.Death) bool {
				t.Helper()

				s := newShop(t, devtest.Pool(t, at.URL), 1)
				d := death{Death: at, Events: sc.before(t, s)}
				d.Counter = s.counter
				d.Counter.Now = s.now.Now()
				died := paymentstest.Kill(t, d)

				s.jobs.Recover()
				s.work(t, d.Events...)
				s.end(t)
				s.has(t, sc.available, sc.debt, sc.plan)
				require.Equal(t, want, s.state(t))

				return died
			})
		})
	}
}

// work is what the worker does that dies.
func (d death) work(t *testing.T) {
	t.Helper()

	k := paymentstest.NewKiller(d.Death)
	s := openShop(t, k.Open(t), d.Counter, clocktest.At(d.Counter.Now), func(v vendor) vendor { return doomed{v, k} })
	k.Watch(func() { s.work(t, d.Events...) })
}

// end has everything done that is left to do.
func (s *shop) end(t *testing.T) {
	t.Helper()

	for range 3 {
		s.jobs.Advance(time.Minute)
		s.jobs.RunAll(t.Context())
	}

	require.Empty(t, s.jobs.Dead())
	require.Empty(t, s.jobs.Pending())
}

// state is all that the books have, without our own ids, and without what depends on which of several looks came first: the balance after an
// entry, and a difference that came right by itself.
func (s *shop) state(t *testing.T) []string {
	t.Helper()

	rows, err := s.pool.Query(t.Context(), `
		select concat_ws(' ', 'entry', kind, source, business_key, reason) as line from ledger_txn where task_id is null
		union all select concat_ws(' ', 'grant', source, reference, amount, remaining, clawed, expires_at) from credit_grant
		union all select concat_ws(' ', 'checkout', id, status, vendor_id, next_look_at is null) from payment_checkout
		union all select concat_ws(' ', 'subscription', vendor_id, subject is null, checkout_id, product_id, status, period_start, period_end, canceled_at) from payment_subscription
		union all select concat_ws(' ', 'order', kind, product_id, checkout_id, order_id, transaction_id, currency, net, tax, paid, period_start, period_end, credits_each,
			months_given, credits, refunded, disputed, refund_pending, next_credits_at) from payment_order
		union all select concat_ws(' ', 'plan', plan, until) from payment_plan
		union all select concat_ws(' ', 'difference', kind, status, credits) from payment_difference where status <> 'settled'
		union all select concat_ws(' ', 'scan', name, page, items, finished_at is not null) from payment_scan
		union all select concat_ws(' ', 'event', event_id, event_type, state) from inbox_event
		order by line`)
	require.NoError(t, err)

	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, lines)

	return lines
}

// doomed is a vendor each call of which is a step.
type doomed struct {
	vendor

	k *paymentstest.Killer
}

func (d doomed) FindCheckout(ctx context.Context, id string) (payments.Checkout, error) {
	return paymentstest.Call(d.k, func() (payments.Checkout, error) { return d.vendor.FindCheckout(ctx, id) })
}

func (d doomed) FindSubscription(ctx context.Context, id string) (payments.Subscription, error) {
	return paymentstest.Call(d.k, func() (payments.Subscription, error) { return d.vendor.FindSubscription(ctx, id) })
}

func (d doomed) FindTransaction(ctx context.Context, id string) (payments.Transaction, error) {
	return paymentstest.Call(d.k, func() (payments.Transaction, error) { return d.vendor.FindTransaction(ctx, id) })
}

func (d doomed) ListTransactions(ctx context.Context, f payments.TransactionFilter, page int) (payments.Page[payments.Transaction], error) {
	return paymentstest.Call(d.k, func() (payments.Page[payments.Transaction], error) { return d.vendor.ListTransactions(ctx, f, page) })
}

func (d doomed) ListSubscriptions(ctx context.Context, page int) (payments.Page[payments.Subscription], error) {
	return paymentstest.Call(d.k, func() (payments.Page[payments.Subscription], error) { return d.vendor.ListSubscriptions(ctx, page) })
}
