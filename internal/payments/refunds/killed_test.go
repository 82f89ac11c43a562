package refunds_test

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
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/simulators/creemsim"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

// death is where a process dies that gives money back.
type death struct {
	paymentstest.Death
	Creem   string
	Now     time.Time
	Request refunds.Request
}

// doomed is a vendor each call of which is a step.
type doomed struct {
	refunds.Vendor

	k *paymentstest.Killer
}

func (d doomed) FindTransaction(ctx context.Context, id string) (payments.Transaction, error) {
	return paymentstest.Call(d.k, func() (payments.Transaction, error) { return d.Vendor.FindTransaction(ctx, id) })
}

func (d doomed) Refund(ctx context.Context, id string) error {
	_, err := paymentstest.Call(d.k, func() (struct{}, error) { return struct{}{}, d.Vendor.Refund(ctx, id) })

	return err
}

// sender is refunds by Creem's simulator.
type sender struct {
	*refunds.Service

	pool *pgxpool.Pool
	jobs *queuetest.Jobs
}

func newSender(t *testing.T, pool *pgxpool.Pool, vendor refunds.Vendor, now clock.Now) *sender {
	t.Helper()

	registry := queue.NewRegistry(paymentstest.Kinds())
	s := &sender{pool: pool, jobs: queuetest.New(t, pool, registry)}
	s.Service = refunds.New(refunds.Deps{Pool: pool, Queue: s.jobs.Queue(), Vendor: vendor, Log: slog.New(slog.DiscardHandler), Now: now})
	s.Register(registry)

	return s
}

// ask asks for money back.
func (s *sender) ask(t *testing.T, r refunds.Request) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
		_, err := s.Ask(t.Context(), tx, r)

		return err
	}))
}

// TestSend_Killed_Prove kills a process, as kill -9 does, before and after every statement and every call of the vendor by which it
// gives money back. The vendor is asked once at most: either the money is back and the refund done, or it is not and a person is told.
func TestSend_Killed_Prove(t *testing.T) { //nolint:tparallel // the process that dies is no test
	var d death
	if paymentstest.Doomed(t, &d) {
		d.send(t)

		return
	}

	t.Parallel()

	paymentstest.EachDeath(t, 4, func(t *testing.T, at paymentstest.Death) bool {
		t.Helper()

		pool := devtest.Pool(t, at.URL)
		b := paymentstest.NewBooks(t, pool)
		sim := paymentstest.NewCreem(t, b.Time, 0)
		sim.SetKnobs(func(k *creemsim.Knobs) { k.PendingRefunds = true }) // for an hour the payment does not show it
		client := paymentstest.NewClient(t, sim.URL)
		s := newSender(t, pool, client, b.Time.Now)

		order := b.BuyPack(b.NewPerson(), "pack-small", false)
		made, err := client.CreateCheckout(t.Context(), payments.NewCheckout{CheckoutID: uuid.New(), ProductID: "prod_imagerunPackSmallEur"})
		require.NoError(t, err)

		bought, err := sim.PayCheckout(made.ID)
		require.NoError(t, err)

		was, err := client.FindTransaction(t.Context(), bought.TransactionID)
		require.NoError(t, err)
		b.Exec(`update payment_order set transaction_id = $1, paid = $2 where id = $3`, was.ID, was.Money.Paid, order)

		r := refunds.Request{ID: uuid.New(), OrderID: order, Amount: was.Money.Paid, Reason: refunds.Goodwill, Actor: "ops"}
		died := paymentstest.Kill(t, death{Death: at, Creem: sim.URL, Now: b.Time.Now(), Request: r})

		// Who had no answer asks again, and another worker goes on for some hours.
		s.ask(t, r)
		s.jobs.Recover()

		for range 20 {
			s.jobs.RunAll(t.Context())
			b.Time.Move(15 * time.Minute)
			sim.Tick()
			s.jobs.Advance(15 * time.Minute)
		}

		require.Empty(t, s.jobs.Dead())

		asked := len(sim.Requests(creemsim.RouteRefunds))
		require.LessOrEqual(t, asked, 1)

		is, err := client.FindTransaction(t.Context(), was.ID)
		require.NoError(t, err)

		status := paymentstest.Read[string](b, `select status from payment_refund`)
		open := paymentstest.Read[int](b, `select count(*) from payment_difference where status = 'open' and kind = 'refund_by_hand'`)

		if asked == 1 {
			require.Equal(t, was.Money.Paid, is.Refunded)
			require.Equal(t, string(refunds.Done), status)
			require.Zero(t, open)
		} else {
			require.True(t, died)
			require.Zero(t, is.Refunded)
			require.Equal(t, string(refunds.ByHand), status)
			require.Equal(t, 1, open)
		}

		return died
	})
}

// send is what the process does that dies.
func (d death) send(t *testing.T) {
	t.Helper()

	k := paymentstest.NewKiller(d.Death)
	s := newSender(t, k.Open(t), doomed{paymentstest.NewClient(t, d.Creem), k}, clocktest.At(d.Now).Now)

	k.Watch(func() {
		s.ask(t, d.Request)
		s.jobs.RunAll(t.Context())
	})
}
