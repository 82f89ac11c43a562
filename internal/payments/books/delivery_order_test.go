package books_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/payments/products"
	"imagerun/internal/simulators/creemsim"
)

// story is what a person does. Tell is called after each thing.
type story struct {
	live   func(t *testing.T, s *shop, tell func())
	events []string // that tell of it
}

// purchase are the events of a subscription that was bought.
func purchase(then ...string) []string {
	return append([]string{"checkout.completed", "subscription.active", "subscription.paid"}, then...)
}

// stories have at most five events each.
var stories = map[string]story{ //nolint:gochecknoglobals // a table
	"Pack": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()
			s.buy(t, "pack-small")
			tell()
		},
		events: []string{"checkout.completed"},
	},
	"PackRefundedInParts": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()

			paid := s.buy(t, "pack-large")
			tell()

			for range 2 {
				require.NoError(t, s.sim.Refund(paid.OrderID, 500))
				tell()
			}
		},
		events: []string{"checkout.completed", "refund.created", "refund.created"},
	},
	"RenewedAndToBeCanceled": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()

			sub := s.buy(t, "pro-monthly").SubscriptionID
			tell()
			s.moveMonth()
			tell()
			s.cancel(t, sub)
			tell()
		},
		events: purchase("subscription.paid", "subscription.scheduled_cancel"),
	},
	"UpgradedAndRenewed": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()

			sub := s.buy(t, "pro-monthly").SubscriptionID
			tell()
			s.move(10 * day)
			s.upgrade(t, sub)
			tell()
			s.move(20*day + time.Hour)
			tell()
		},
		events: purchase("subscription.update", "subscription.paid"),
	},
	"Canceled": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()

			sub := s.buy(t, "studio-monthly").SubscriptionID
			tell()
			s.cancel(t, sub)
			tell()
			s.moveMonth()
			tell()
		},
		events: purchase("subscription.scheduled_cancel", "subscription.canceled"),
	},
	"RenewedAndRefunded": {
		live: func(t *testing.T, s *shop, tell func()) {
			t.Helper()

			paid := s.buy(t, "pro-monthly")
			tell()
			s.moveMonth()
			tell()
			require.NoError(t, s.sim.Refund(paid.TransactionID, 0))
			tell()
		},
		events: purchase("subscription.paid", "refund.created"),
	},
}

// moveMonth lets a month pass, and a little more.
func (s *shop) moveMonth() {
	s.move(products.AddMonths(s.now.Now(), 1).Sub(s.now.Now()) + time.Minute)
}

// cancel has a subscription end with its period.
func (s *shop) cancel(t *testing.T, sub string) {
	t.Helper()

	_, err := s.client.CancelSubscription(t.Context(), sub)
	require.NoError(t, err)
}

// upgrade has a subscription changed as its owner asked.
func (s *shop) upgrade(t *testing.T, sub string) {
	t.Helper()
	s.inTx(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into payment_subscription (vendor_id, subject) values ($1, $2) on conflict (vendor_id) do nothing`, sub, s.subject)
		if err != nil {
			return err
		}

		_, err = tx.Exec(ctx, `insert into payment_change (id, subscription_id, from_product, to_product, credits, period_start, created_at)
			select $1, id, 'pro-monthly', 'studio-monthly', 1600, $2, $2 from payment_subscription where vendor_id = $3`, uuid.New(), s.now.Now(), sub)

		return err
	})

	_, err := s.client.ChangeSubscription(t.Context(), sub, s.vendorProduct(t, "studio-monthly"), true)
	require.NoError(t, err)
}

// fortune is what a person has in the end.
type fortune struct {
	credits.Balance

	Plan string
}

// fortune returns it, once what only time brings is done.
func (s *shop) fortune(t *testing.T) (f fortune) {
	t.Helper()
	require.NoError(t, s.Settle(t.Context()))
	require.Empty(t, s.jobs.Dead())

	var err error

	f.Plan = s.plan(t)
	f.Balance, err = s.ledger.Balance(t.Context(), s.pool, s.user)
	require.NoError(t, err)
	s.has(t, f.Available, f.Debt, f.Plan)

	return f
}

// TestWebhooks_InAnyOrder_Prove has the events of a story come in each order that there is, when all has happened, some of them twice, and again
// as news of their own: a person has what they have where each came at once.
func TestWebhooks_InAnyOrder_Prove(t *testing.T) {
	t.Parallel()

	some := 11 // of the orders
	if os.Getenv("IMAGERUN_PROVE") != "" {
		some = 1
	}

	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := devtest.Postgres(t)
			polite := newShop(t, pool, 0)
			st.live(t, polite, func() { polite.work(t, polite.news()...) })

			var told []string
			for _, e := range polite.sim.Events() {
				told = append(told, e.Type)
			}

			require.Equal(t, st.events, told)

			want := polite.fortune(t)
			t.Logf("%d events, in the end %+v", len(told), want)

			for i, order := range permute(len(told)) {
				if i%some != 0 {
					continue
				}

				s := newShop(t, pool, 0)
				st.live(t, s, func() {})

				events := s.news()
				for at, k := range order {
					s.work(t, events[k])

					if (i+at)%3 == 0 {
						s.work(t, events[k], again(events[k]))
					}
				}

				require.Equal(t, want, s.fortune(t), "order %v", order)
			}
		})
	}
}

// again is an event that tells the same, under another id.
func again(e creemsim.Event) creemsim.Event {
	e.Body = bytes.Replace(e.Body, []byte(e.ID), []byte(e.ID+"Again"), 1)

	return e
}

// permute lists the orders of n things: the polite one is the first.
func permute(n int) (orders [][]int) {
	var extend func(order []int, used int)

	extend = func(order []int, used int) {
		if len(order) == n {
			orders = append(orders, append([]int(nil), order...))
		}

		for k := range n {
			if used&(1<<k) == 0 {
				extend(append(order, k), used|1<<k)
			}
		}
	}
	extend(nil, 0)

	return orders
}

// Each event that Creem documents passes the verifier, the inbox and the books, whatever it is about: what is not of money is ignored.
func TestWebhooks_Documented(t *testing.T) {
	t.Parallel()

	s := newShop(t, devtest.Postgres(t), 0)
	s.buy(t, "pack-small")
	s.work(t, s.news()...)

	files, err := filepath.Glob("../creem/testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 17)

	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		s.deliver(t, body)
		s.jobs.RunAll(t.Context())

		want, kind := "worked", strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.Contains(kind, "credits.") {
			want = "ignored"
		}

		var state string

		require.NoError(t, s.pool.QueryRow(t.Context(), `select state from inbox_event order by received_at desc limit 1`).Scan(&state))
		require.Equal(t, want, state, kind)
		s.has(t, 100, 0, "free")
	}

	s.end(t)
}
