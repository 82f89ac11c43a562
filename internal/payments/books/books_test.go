package books_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
)

const day = 24 * time.Hour

func TestPack(t *testing.T) {
	t.Parallel()

	t.Run("GivesOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		b.has(t, 100, 0, "free")

		for range 3 {
			b.tell(t, hint{TransactionID: paid.ID, OrderID: paid.OrderID})
			require.Zero(t, b.reconcile(t).Findings)
		}

		b.has(t, 100, 0, "free")
		require.Empty(t, b.differences(t))
	})

	t.Run("IsTakenBackInPart", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		b.world.payBack(paid.ID, paid.Money.Paid/2, false)
		b.tell(t, hint{TransactionID: paid.ID, OrderID: paid.OrderID})
		b.has(t, 51, 0, "free") // 302 of 605: 49 of 100, rounded down

		b.world.payBack(paid.ID, paid.Money.Paid-paid.Money.Paid/2, false)
		b.tell(t, hint{TransactionID: paid.ID})
		b.has(t, 0, 0, "free")
	})

	t.Run("IsDisputedAfterItWasSpent", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		require.NoError(t, b.spend(t, 80))
		b.world.payBack(paid.ID, paid.Money.Paid, true)
		b.tell(t, hint{OrderID: paid.OrderID})
		b.has(t, 0, 80, "free")
		require.ErrorIs(t, b.spend(t, 1), credits.ErrInDebt)

		b.buy(t, "pack-small") // pays what is owed
		b.has(t, 20, 0, "free")
		require.NoError(t, b.spend(t, 20))
	})

	t.Run("OnceARefundIsOver", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "pack-small")
		b.tell(t, hint{TransactionID: paid.ID, RefundPending: true})
		b.has(t, 100, 0, "free")

		b.world.payBack(paid.ID, paid.Money.Paid, false) // no webhook tells of it
		b.pass(t, 2*time.Hour)
		b.reconcile(t)
		b.has(t, 0, 0, "free")
	})
}

// What a person had to return is done when the vendor has it.
func TestRefund_ByHandIsDone(t *testing.T) {
	t.Parallel()

	b := setup(t)
	paid := b.buy(t, "pack-small")

	_, err := b.pool.Exec(t.Context(), `with asked as (
			insert into payment_refund (id, order_id, amount, reason, actor, status, created_at)
			select gen_random_uuid(), id, 200, 'goodwill', 'operator', 'by_hand', now() from payment_order returning id
		) insert into payment_difference (kind, about, status, found_at, seen_at) select 'refund_by_hand', id::text, 'open', now(), now() from asked`)
	require.NoError(t, err)

	b.world.payBack(paid.ID, 100, false)
	b.tell(t, hint{TransactionID: paid.ID})
	require.Equal(t, []string{"refund_by_hand open"}, b.differences(t))

	b.world.payBack(paid.ID, 100, false)
	b.tell(t, hint{TransactionID: paid.ID})
	require.Equal(t, []string{"refund_by_hand settled"}, b.differences(t))
}

func TestPlan(t *testing.T) {
	t.Parallel()

	t.Run("FollowsWhatIsPaid", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.has(t, 500, 0, "pro")

		b.now.Move(products.AddMonths(b.now.Now(), 1).Sub(b.now.Now()))
		b.world.renew(sub)
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 1000, 0, "pro")

		b.world.change(sub, func(s *payments.Subscription) { s.Status = payments.SubscriptionScheduled })
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 1000, 0, "pro")

		b.pass(t, 32*day)
		b.has(t, 500, 0, "free") // the first month's have expired
		b.pass(t, 60*day)
		b.has(t, 0, 0, "free")
	})

	t.Run("StaysAWhileWhenAPaymentFails", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID

		b.pass(t, products.AddMonths(b.now.Now(), 1).Sub(b.now.Now())+day)
		b.world.change(sub, func(s *payments.Subscription) { s.Status = payments.SubscriptionPastDue })
		b.tell(t, hint{SubscriptionID: sub})
		require.Equal(t, "pro", b.plan(t))

		b.pass(t, 3*day)
		require.Equal(t, "free", b.plan(t))
	})

	t.Run("YearGivesMonthByMonth", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		start := b.now.Now()
		paid := b.buy(t, "pro-yearly")
		b.has(t, 500, 0, "pro")

		for i := 1; i < 12; i++ {
			b.pass(t, products.AddMonths(start, i).Sub(b.now.Now()))
			b.has(t, 1000, 0, "pro") // two months' live at once
		}

		b.world.payBack(paid.ID, paid.Money.Paid, false)
		b.tell(t, hint{SubscriptionID: paid.SubscriptionID, TransactionID: paid.ID})
		b.has(t, 0, 0, "free")
		b.pass(t, 40*day)
		b.has(t, 0, 0, "free")
	})

	t.Run("IsTakenBackWithItsPayment", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		paid := b.buy(t, "studio-monthly")
		require.NoError(t, b.spend(t, 1000))
		b.world.payBack(paid.ID, paid.Money.Paid, true)
		b.tell(t, hint{SubscriptionID: paid.SubscriptionID, TransactionID: paid.ID})
		b.has(t, 0, 1000, "free")
	})

	// Nothing told of it before it was changed at the vendor: what was paid says what it was for.
	t.Run("ThatWasChangedBeforeItWasKnown", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ours, theirs := b.wish(t, "pro-yearly")
		paid := b.world.pay(theirs, "pro-yearly")
		b.world.change(paid.SubscriptionID, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
		b.tell(t, hint{CheckoutID: ours, SubscriptionID: paid.SubscriptionID})
		b.has(t, 500, 0, "studio")
	})

	t.Run("WhoseOwnerIsKnownLater", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ours, theirs := b.wish(t, "pro-monthly")
		paid := b.world.pay(theirs, "pro-monthly")
		b.world.change(paid.SubscriptionID, func(s *payments.Subscription) { s.CheckoutID = uuid.Nil })

		b.tell(t, hint{SubscriptionID: paid.SubscriptionID})
		b.has(t, 0, 0, "free")
		require.Equal(t, []string{"unknown_owner open"}, b.differences(t))

		b.tell(t, hint{CheckoutID: ours, VendorCheckout: theirs})
		b.has(t, 500, 0, "pro")
		require.Equal(t, []string{"unknown_owner settled"}, b.differences(t))
	})
}

// What is paid of a subscription and is for no period gives nothing, and a person is told.
func TestPlan_PaymentWithoutAPeriod(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sub := b.buy(t, "pro-monthly").SubscriptionID
	b.world.addPayment(sub, 1500)
	b.world.transactions[0].PeriodStart, b.world.transactions[0].PeriodEnd = time.Time{}, time.Time{}

	b.tell(t, hint{SubscriptionID: sub})
	b.has(t, 500, 0, "pro")
	require.Equal(t, []string{"unknown_payment open"}, b.differences(t))
}

func TestChange(t *testing.T) {
	t.Parallel()

	ask := func(t *testing.T, b *bundle, sub, from, to string, gives int64) {
		t.Helper()

		_, err := b.pool.Exec(t.Context(), `insert into payment_change (id, subscription_id, from_product, to_product, credits, at_once, period_start, created_at)
			select $1, id, $3, $4, $5, $5::bigint > 0, period_start, $6 from payment_subscription where vendor_id = $2`, uuid.New(), sub, from, to, gives, b.now.Now())
		require.NoError(t, err)
	}

	t.Run("UpGivesAtOnceWhatWasTold", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		start := b.now.Now()
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.pass(t, 15*day)
		ask(t, b, sub, "pro-monthly", "studio-monthly", 1250)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
		extra := b.world.addPayment(sub, 2250)

		for range 2 {
			b.tell(t, hint{SubscriptionID: sub})
			b.has(t, 1750, 0, "studio")
		}

		b.pass(t, products.AddMonths(start, 1).Sub(b.now.Now()))
		b.world.renew(sub)
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 4750, 0, "studio")

		b.world.payBack(extra.ID, extra.Money.Paid, false)
		b.tell(t, hint{SubscriptionID: sub, TransactionID: extra.ID})
		b.has(t, 3500, 0, "studio")
	})

	t.Run("DownKeepsWhatWasPaid", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		start := b.now.Now()
		sub := b.buy(t, "studio-monthly").SubscriptionID
		b.pass(t, 10*day)
		ask(t, b, sub, "studio-monthly", "pro-monthly", 0)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("pro-monthly") })
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 3000, 0, "studio")

		b.pass(t, products.AddMonths(start, 1).Sub(b.now.Now()))
		b.world.renew(sub)
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 3500, 0, "studio") // until the grace of the better one is over
		b.pass(t, 4*day)
		b.has(t, 3500, 0, "pro")
	})

	t.Run("ToTheYearBeginsItAtOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.pass(t, 10*day)
		ask(t, b, sub, "pro-monthly", "pro-yearly", 0)

		start := b.now.Now()
		b.world.change(sub, func(s *payments.Subscription) {
			s.ProductID, s.PeriodStart, s.PeriodEnd = b.world.vendorProduct("pro-yearly"), start, products.AddMonths(start, 12)
		})
		b.world.addPayment(sub, 14000)
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 1000, 0, "pro")

		b.pass(t, products.AddMonths(start, 1).Sub(b.now.Now()))
		b.has(t, 1500, 0, "pro")
		b.pass(t, products.AddMonths(start, 11).Sub(b.now.Now()))
		require.Equal(t, "pro", b.plan(t), "what is paid for stays")
	})

	t.Run("InTheLastHoursOfAPeriodOpensNone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.pass(t, products.AddMonths(b.now.Now(), 1).Sub(b.now.Now())-3*time.Hour)
		ask(t, b, sub, "pro-monthly", "studio-monthly", 10)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
		b.world.addPayment(sub, 19)
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 510, 0, "studio")
	})

	t.Run("ThatIsPaidBackGivesItsPlanNoMore", func(t *testing.T) {
		t.Parallel()

		for name, payBack := range map[string]func(*bundle, payments.Transaction){
			"ByTheBank": func(b *bundle, paid payments.Transaction) { b.world.payBack(paid.ID, paid.Money.Paid, true) },
			"ByUs":      func(b *bundle, paid payments.Transaction) { b.world.payBack(paid.ID, paid.Money.Paid, false) },
			"Withdrawn": func(b *bundle, paid payments.Transaction) { b.withdraw(t, paid) },
		} {
			b := setup(t)
			sub := b.buy(t, "pro-monthly").SubscriptionID
			b.pass(t, 15*day)
			ask(t, b, sub, "pro-monthly", "studio-monthly", 1250)
			b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
			extra := b.world.addPayment(sub, 2250)
			b.tell(t, hint{SubscriptionID: sub})
			require.Equal(t, "studio", b.plan(t), name)

			payBack(b, extra)
			b.tell(t, hint{SubscriptionID: sub, TransactionID: extra.ID})
			b.has(t, 500, 0, "pro")
		}
	})

	t.Run("IsTakenBackThoughAnotherFollowed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.pass(t, 15*day)
		ask(t, b, sub, "pro-monthly", "studio-monthly", 1250)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 1750, 0, "studio")

		b.pass(t, time.Minute)
		ask(t, b, sub, "studio-monthly", "pro-monthly", 0)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("pro-monthly") })
		extra := b.world.addPayment(sub, 2250) // of the first change, and seen as late as this
		b.tell(t, hint{SubscriptionID: sub})

		b.world.payBack(extra.ID, extra.Money.Paid, true)
		b.tell(t, hint{SubscriptionID: sub, TransactionID: extra.ID})
		b.has(t, 500, 0, "pro")
	})

	t.Run("ThatIsSeenLateGivesWhatWasTold", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		b.pass(t, 15*day)
		ask(t, b, sub, "pro-monthly", "studio-monthly", 1250)
		b.world.change(sub, func(s *payments.Subscription) { s.ProductID = b.world.vendorProduct("studio-monthly") })
		b.world.addPayment(sub, 2250)

		b.pass(t, 2*time.Hour) // no look came to anything
		b.tell(t, hint{SubscriptionID: sub})
		b.has(t, 1750, 0, "studio")
	})

	t.Run("ThatNeverHappened", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.buy(t, "pro-monthly").SubscriptionID
		ask(t, b, sub, "pro-monthly", "studio-monthly", 1250)
		b.tell(t, hint{SubscriptionID: sub})
		b.pass(t, 2*time.Hour)
		b.has(t, 500, 0, "pro")

		var status string

		require.NoError(t, b.pool.QueryRow(t.Context(), `select status from payment_change`).Scan(&status))
		require.Equal(t, "refused", status)
	})
}

// A hint that comes while a look reads is not lost: the look is done again.
func TestLook_AHintMeanwhile(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sub := b.buy(t, "pro-monthly").SubscriptionID
	b.now.Move(31 * day)
	b.world.onFind = func() { // the look that is told of nothing has read the subscription as it was
		b.world.renew(sub)
		require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return b.Hint(t.Context(), tx, hint{SubscriptionID: sub}, false) }))
	}

	b.tell(t, hint{SubscriptionID: sub})
	b.jobs.Advance(time.Minute)
	b.jobs.RunAll(t.Context())
	b.has(t, 1000, 0, "pro")
	require.Empty(t, b.jobs.Pending())
}

// While the vendor is away nothing is lost, and nothing dies.
func TestLook_VendorAway(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.world.away = errAway
	b.buy(t, "pack-small")
	b.has(t, 0, 0, "free")

	for range 10 {
		b.jobs.Advance(time.Hour)
		b.jobs.RunAll(t.Context())
	}

	require.Empty(t, b.jobs.Dead())

	b.world.away = nil
	b.jobs.Advance(time.Hour)
	b.jobs.RunAll(t.Context())
	b.has(t, 100, 0, "free")
}
