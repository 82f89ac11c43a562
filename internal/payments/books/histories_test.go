package books_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
)

// account is one person of a history.
type account struct {
	*bundle

	rand *rand.Rand // how webhooks fare; nil: each comes at once
	held []hint     // webhooks that are under way
	subs []string
	paid []payments.Transaction
}

// notify has the vendor send a webhook. A hostile net loses, doubles, delays and reorders it.
func (a *account) notify(t *testing.T, h hint) {
	t.Helper()

	if a.rand == nil {
		a.tell(t, h)

		return
	}

	switch n := a.rand.IntN(10); {
	case n < 3: // lost
	case n < 5:
		a.held = append(a.held, h, h)
	default:
		a.held = append(a.held, h)
	}
}

// deliver has some of what is under way arrive, in any order.
func (a *account) deliver(t *testing.T) {
	t.Helper()

	for n := len(a.held); n > 0; n-- {
		if i := a.rand.IntN(len(a.held)); a.rand.IntN(3) > 0 {
			h := a.held[i]
			a.held = append(a.held[:i], a.held[i+1:]...)
			a.tell(t, h)
		}
	}
}

// step is one thing that a person does, or that happens to them. Its numbers choose of what; the same for every account of a history.
type step struct {
	what      int
	a, b      uint64
	days      int
	reconcile bool
}

// sold are what a history buys.
var sold = []string{"pack-small", "pack-large", "pro-monthly", "studio-monthly", "pro-yearly"}

// do has one account live through a step.
func (a *account) do(t *testing.T, s step) {
	t.Helper()

	switch {
	case s.what < 3 || len(a.paid) == 0:
		product := sold[s.a%uint64(len(sold))]
		if p, _ := a.world.products.Find(product); p.Kind == products.Plan && len(a.subs) > 0 {
			product = "pack-small"
		}

		ours, theirs := a.wish(t, product)
		paid := a.world.pay(theirs, product)
		a.paid = append(a.paid, paid)

		if paid.SubscriptionID != "" {
			a.subs = append(a.subs, paid.SubscriptionID)
			a.notify(t, hint{SubscriptionID: paid.SubscriptionID})
			a.notify(t, hint{SubscriptionID: paid.SubscriptionID, CheckoutID: ours})
		}

		a.notify(t, hint{CheckoutID: ours, VendorCheckout: theirs, SubscriptionID: paid.SubscriptionID})
	case s.what < 5:
		a.returnMoney(t, s)
	case len(a.subs) > 0:
		a.editSubscription(t, s)
	}
}

// returnMoney has a payment refunded, in part or wholly, or disputed.
func (a *account) returnMoney(t *testing.T, s step) {
	t.Helper()

	p := &a.paid[s.a%uint64(len(a.paid))]
	left := p.Money.Paid - p.Refunded

	amount := left
	if s.b%3 == 0 {
		amount = left / 2
	}

	p.Refunded += amount
	a.world.payBack(p.ID, amount, s.b%7 == 0)
	a.notify(t, hint{TransactionID: p.ID, OrderID: p.OrderID, SubscriptionID: p.SubscriptionID})
}

// editSubscription has the person, or the vendor, change the state or the product of a subscription.
func (a *account) editSubscription(t *testing.T, s step) {
	t.Helper()

	sub := a.subs[s.a%uint64(len(a.subs))]

	a.world.change(sub, func(v *payments.Subscription) {
		if v.Status == payments.SubscriptionCanceled {
			return
		}

		switch s.b % 6 {
		case 0:
			v.Status = payments.SubscriptionPaused
		case 1:
			v.Status = payments.SubscriptionScheduled
		case 2:
			v.Status = payments.SubscriptionCanceled
		case 3:
			v.ProductID = a.world.vendorProduct("studio-monthly")
		default:
			v.Status = payments.SubscriptionActive
		}
	})
	a.notify(t, hint{SubscriptionID: sub})
}

// renewDue has every subscription paid whose period is over and that is alive.
func (a *account) renewDue(t *testing.T) {
	t.Helper()

	for _, sub := range a.subs {
		for {
			s, err := a.world.FindSubscription(t.Context(), sub)
			require.NoError(t, err)

			if s.PeriodEnd.After(a.now.Now()) || s.Status != payments.SubscriptionActive {
				break
			}

			a.paid = append(a.paid, a.world.renew(sub))
			a.notify(t, hint{SubscriptionID: sub})
		}
	}
}

// TestHistories has two people live through the same year. Each webhook of the one comes at once; those of the other are lost, doubled,
// late and out of order, and now and then the books are reconciled. In the end they have the same.
func TestHistories(t *testing.T) {
	t.Parallel()
	liveYears(t, 20)
}

// TestHistories_Prove does so a thousand times.
func TestHistories_Prove(t *testing.T) {
	t.Parallel()

	if os.Getenv("IMAGERUN_PROVE") == "" {
		t.Skip("make prove lives a thousand years")
	}

	liveYears(t, 1000)
}

// liveYears lives through n years. A database has a few of them: each comparison of the books reads all that the vendor has.
func liveYears(t *testing.T, n int) {
	t.Helper()

	const each = 10

	for first := 0; first < n; first += each {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.world.pageSize = 50

			for i := first; i < min(first+each, n); i++ {
				b.liveYear(t, uint64(i)) //nolint:gosec // not negative
			}
		})
	}
}

// liveYear is one history.
func (b *bundle) liveYear(t *testing.T, seed uint64) {
	t.Helper()

	r := rand.New(rand.NewPCG(seed, 13)) //nolint:gosec // of a test
	polite, hostile := b.another(t, nil), b.another(t, r)
	end := b.now.Now().AddDate(1, 0, 0)

	for b.now.Now().Before(end) {
		s := step{what: r.IntN(8), a: r.Uint64(), b: r.Uint64(), days: 1 + r.IntN(40), reconcile: r.IntN(4) == 0}

		for _, a := range []*account{polite, hostile} {
			a.do(t, s)
		}

		hostile.deliver(t)
		b.pass(t, time.Duration(s.days)*day)

		for _, a := range []*account{polite, hostile} {
			a.renewDue(t)
		}

		if s.reconcile {
			b.reconcile(t)
		}
	}

	b.pass(t, 2*time.Hour)
	b.reconcile(t)
	require.Zero(t, b.reconcile(t).Findings, "seed %d: a second run finds something", seed)
	b.pass(t, 0)

	want, err := b.ledger.Balance(t.Context(), b.pool, polite.user)
	require.NoError(t, err)
	hostile.has(t, want.Available, want.Debt, polite.plan(t))
}

// another is one more person of the same product, and of the same vendor.
func (b *bundle) another(t *testing.T, r *rand.Rand) *account {
	t.Helper()

	c := *b
	c.user = uuid.New()

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		c.subject, err = b.ledger.Subject(t.Context(), tx, c.user)

		return err
	}))

	return &account{bundle: &c, rand: r}
}
