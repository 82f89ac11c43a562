package withdrawal_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/withdrawal"
	"imagerun/queue/queuetest"
)

func TestOffer(t *testing.T) {
	t.Parallel()

	t.Run("NothingWaived", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		order := b.books.BuyPack(b.person, "pack-small", false)
		b.use(60)

		o := b.offer(t, order)
		require.Equal(t, int64(500), o.Money, "all of it")
		require.Equal(t, []int64{100, 60, 40}, []int64{o.Given, o.Used, o.Credits})
		require.False(t, o.ByHand)
		require.Equal(t, time.Date(2026, time.November, 18, 0, 0, 0, 0, time.UTC), o.Until, "the whole of the fourteenth day")
	})

	t.Run("WaivedAndUnused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		o := b.offer(t, b.books.BuyPack(b.person, "pack-small", true))
		require.True(t, o.Waived)
		require.Equal(t, []int64{500, 100}, []int64{o.Money, o.Credits})
		require.False(t, o.ByHand)
	})

	t.Run("WaivedAndUsedInPart", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		order := b.books.BuyPack(b.person, "pack-large", true)
		b.use(333)

		o := b.offer(t, order)
		require.Equal(t, int64(4000*667/1000), o.Money, "rounded down")
		require.Equal(t, int64(667), o.Credits)
		require.True(t, o.ByHand, "the vendor returns whole payments alone")
	})

	t.Run("AYearPaysForTheCreditsOfItsMonths", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.books.Subscribe(b.person, "pro-yearly")
		b.use(500)

		o := b.offer(t, sub.OrderID)
		require.True(t, o.EndsPlan)
		require.Equal(t, []int64{6000, 500, 0}, []int64{o.Given, o.Used, o.Credits})
		require.Equal(t, int64(15000), o.Money, "it was not waived")
	})

	t.Run("AChangeIsOfItsOwn", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		sub := b.books.Subscribe(b.person, "pro-monthly")
		change, order := uuid.New(), uuid.New()
		b.books.Exec(`insert into payment_change (id, subscription_id, from_product, to_product, credits, period_start, at_once, created_at)
			values ($1, $2, 'pro-monthly', 'studio-monthly', 2500, $3, true, $3)`, change, sub.ID, b.books.Time.Now())
		b.books.Exec(`insert into payment_order (id, subject, kind, product_id, subscription_id, transaction_id, currency, net, tax, paid, paid_at,
			period_start, period_end, change_id, credits_each) select $1, subject, kind, 'studio-monthly', subscription_id, 'tran_change', currency, 4500, 0, 4500, paid_at,
			period_start, period_end, $2, 2500 from payment_order`, order, change)
		b.give(t, "sub:"+sub.VendorID+":change:"+change.String(), 2500)
		b.use(500) // of the plan's

		o := b.offer(t, order)
		require.Equal(t, []int64{4500, 2500, 0, 2500}, []int64{o.Money, o.Given, o.Used, o.Credits})
		require.Equal(t, int64(500), b.offer(t, sub.OrderID).Used)
	})

	t.Run("Refuses", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		order := b.books.BuyPack(b.person, "pack-small", true)
		other := b.books.NewPerson()

		_, err := b.Offer(t.Context(), other.ID, order)
		require.ErrorIs(t, err, withdrawal.ErrNotFound)
		_, err = b.Declare(t.Context(), other.ID, order, b.offer(t, order).Token)
		require.ErrorIs(t, err, withdrawal.ErrNotFound)
		b.refuses(t, uuid.New(), withdrawal.ErrNotFound)

		for change, want := range map[string]error{
			"disputed = true": withdrawal.ErrDisputed, "refunded = 1": withdrawal.ErrRefunded, "refund_pending = true": withdrawal.ErrRefunded,
			"product_id = null": withdrawal.ErrNotReady, "credits_each = null": withdrawal.ErrNotReady, "order_id = null": withdrawal.ErrNotReady,
		} {
			b.books.Exec(`update payment_order set ` + change)
			b.refuses(t, order, want)
			b.books.Exec(`update payment_order set disputed = false, refunded = 0, refund_pending = false, product_id = 'pack-small', order_id = 'ord_' || id, credits_each = 100`)
		}

		b.use(100)
		b.refuses(t, order, withdrawal.ErrUsedUp)
	})

	t.Run("OverOnTheFifteenthDay", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		order := b.books.BuyPack(b.person, "pack-small", false)
		b.books.Time.Move(14*day + 12*time.Hour - time.Microsecond)
		b.offer(t, order)
		b.books.Time.Move(time.Microsecond)
		b.refuses(t, order, withdrawal.ErrTooLate)
	})

	t.Run("Off", func(t *testing.T) {
		t.Parallel()

		b := setupWith(t, withdrawal.Options{})
		b.refuses(t, b.books.BuyPack(b.person, "pack-small", false), withdrawal.ErrOff)
	})
}

func TestDeclare_Worked(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", true)
	b.know(order, 500)

	w := b.withdraw(t, order)
	require.Equal(t, int64(1), w.Number)
	require.Equal(t, b.books.Time.Now(), w.DeclaredAt)
	require.Contains(t, w.Content, "paid on 3 November 2026, 12:00:00 UTC with 5.00 EUR")
	require.Contains(t, w.Content, "Of 100 credits 0 were used. Returned: 5.00 EUR. Credits taken back: 100.")
	require.NotContains(t, w.Content, b.person.ID.String())
	require.Equal(t, "500 asked withdrawal owner", b.refund())
	b.has(t, credits.Balance{})

	_, err := b.Offer(t.Context(), b.person.ID, order)
	require.ErrorIs(t, err, withdrawal.ErrWithdrawn)

	require.True(t, b.jobs.RunNext(t.Context()))
	require.Equal(t, "500 done withdrawal owner", b.refund())
	require.Equal(t, []string{"refund"}, b.vendor.Calls())
	require.Equal(t, order, queuetest.Require[jobs.LookAtOrder](b.jobs).OrderID)

	again, err := b.Declare(t.Context(), b.person.ID, order, "")
	require.NoError(t, err)
	require.Equal(t, w, again, "declared twice, it is the same")
}

// Who withdraws without a waiver owes nothing for what they used.
func TestDeclare_LeavesNoDebt(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", false)
	b.use(60)

	w := b.withdraw(t, order)
	require.Equal(t, []int64{500, 40}, []int64{w.Money, w.Credits})
	b.has(t, credits.Balance{})
}

func TestDeclare_APartIsByHand(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", true)
	b.use(1)

	b.withdraw(t, order)
	require.Equal(t, "495 by_hand withdrawal owner", b.refund())
	require.Empty(t, queuetest.All[jobs.RefundOrder](b.jobs))
	require.Equal(t, "open", paymentstest.Read[string](b.books, `select d.status from payment_difference d join payment_refund r on d.about = r.id::text where d.kind = 'refund_by_hand'`))
	b.has(t, credits.Balance{})
}

func TestDeclare_EndsAPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sub := b.books.Subscribe(b.person, "pro-yearly")
	b.books.Exec(`update payment_order set next_credits_at = $1`, b.books.Time.Now().Add(30*day))

	w := b.withdraw(t, sub.OrderID)
	require.Equal(t, []int64{15000, 500}, []int64{w.Money, w.Credits})
	require.Contains(t, w.Content, "The plan is not paid again.")
	require.Equal(t, sub.ID, queuetest.Require[jobs.CancelSubscription](b.jobs).SubscriptionID)
	queuetest.Require[jobs.RefundOrder](b.jobs)
	require.True(t, paymentstest.Read[bool](b.books, `select next_credits_at is null from payment_order`), "no month of it gives more")
	b.has(t, credits.Balance{})
}

func TestDeclare_CreditsThatComeLater(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", false)
	b.books.Exec(`update payment_order set order_id = 'ord_late'`) // whose grant did not come yet

	b.withdraw(t, order)
	b.give(t, "creem:ord_late", 100)
	b.has(t, credits.Balance{Available: 100}) // of the other reference alone
}

// What was told must be what happens: a token fits no longer once an amount has changed.
func TestDeclare_Changed(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", true)
	token := b.offer(t, order).Token

	b.use(1)

	for _, wrong := range []string{token, "", "made up"} {
		_, err := b.Declare(t.Context(), b.person.ID, order, wrong)
		require.ErrorIs(t, err, withdrawal.ErrChanged)
	}

	require.Empty(t, b.refund())
	b.has(t, credits.Balance{Available: 99})
	b.withdraw(t, order)
}

// A refund that the vendor refuses is a person's; the withdrawal stands.
func TestDeclare_RefundFailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", false)
	b.know(order, 500)
	b.withdraw(t, order)
	b.vendor.Fail(payments.Rejected)
	require.True(t, b.jobs.RunNext(t.Context()))
	require.Equal(t, "500 refused withdrawal owner", b.refund())
	require.Equal(t, 1, paymentstest.Read[int](b.books, `select count(*) from payment_difference where kind = 'refund_refused' and status = 'open'`))

	_, err := b.Offer(t.Context(), b.person.ID, order)
	require.ErrorIs(t, err, withdrawal.ErrWithdrawn)
}

func TestDeclare_RefundFailedButDidHappen(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := b.books.BuyPack(b.person, "pack-small", false)
	b.know(order, 500)
	b.withdraw(t, order)
	b.vendor.LoseAnswer()
	require.True(t, b.jobs.RunNext(t.Context()))
	require.Equal(t, "500 sent withdrawal owner", b.refund())
	require.True(t, b.jobs.RunNextEarly(t.Context()))
	require.Equal(t, "500 done withdrawal owner", b.refund())
	require.Equal(t, []string{"refund"}, b.vendor.Calls())
}
