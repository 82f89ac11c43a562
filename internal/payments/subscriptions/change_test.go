package subscriptions_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/credits/creditstest"
	"imagerun/internal/fault"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/subscriptions"
	"imagerun/queue/queuetest"
)

func TestPreviewChange(t *testing.T) {
	t.Parallel()

	t.Run("AnUpgradeGivesThePartOfTheMonthThatIsLeft", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.books.Time.Move(10 * day) // of the thirty of November

		c, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
		require.NoError(t, err)
		require.True(t, c.Now)
		require.Equal(t, int64(2500*20/30), c.Credits) // 1666.67, rounded down
		require.Equal(t, b.books.Time.Now(), c.BilledAt)
		require.Equal(t, int64(6000), c.Price)
		require.Empty(t, b.changes(), "it is only told")
	})

	t.Run("OfAYearTheMonthCounts", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-yearly")
		start := b.books.Time.Now()
		b.books.Time.Move(products.AddMonths(start, 2).Sub(start) + 21*day) // ten days before the fourth month

		c, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, "studio-yearly")
		require.NoError(t, err)
		require.True(t, c.Now)
		require.Equal(t, int64(2500*10/31), c.Credits)
	})

	t.Run("NoYearIsCutShort", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-yearly")

		_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
		require.ErrorIs(t, err, subscriptions.ErrProduct)
		require.Equal(t, "interval", fault.Of(err).Fields[0].Keyword)
		require.Empty(t, b.vendor.Calls())
	})

	t.Run("FromMonthToYearGivesNone", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")

		for _, to := range []string{"pro-yearly", "studio-yearly"} {
			c, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, to)
			require.NoError(t, err)
			require.True(t, c.Now)
			require.Zero(t, c.Credits, "its first month gives all of them, once")
		}
	})

	t.Run("ADowngradeIsBilledWithTheNextPayment", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "studio-monthly")

		for _, to := range []string{"pro-monthly", "pro-yearly"} {
			c, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, to)
			require.NoError(t, err)
			require.False(t, c.Now)
			require.Zero(t, c.Credits)
			require.Equal(t, products.AddMonths(b.books.Time.Now(), 1), c.BilledAt)
		}
	})

	t.Run("TheWayBackFromADowngradeCostsNothing", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "studio-monthly")
		b.books.Exec(`update payment_subscription set product_id = 'pro-monthly'`) // as the look wrote it

		c, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
		require.NoError(t, err)
		require.False(t, c.Now)
		require.Zero(t, c.Credits)

		u, err := b.Get(t.Context(), b.person.ID, b.sub.ID)
		require.NoError(t, err)
		require.Equal(t, "pro-monthly", u.Product.ID)
		require.Equal(t, "studio-monthly", u.Rights.Product.ID, "what was paid stays")
	})

	t.Run("FromADowngradeOneGoesBackBeforeOneGoesUp", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-yearly")
		b.books.Exec(`update payment_subscription set product_id = 'pro-monthly'`)

		_, err := b.PreviewChange(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
		require.ErrorIs(t, err, subscriptions.ErrChangeBack)
	})

	t.Run("Refuses", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")

		for status, want := range map[payments.SubscriptionStatus]error{
			payments.SubscriptionScheduled: subscriptions.ErrCanceled,
			payments.SubscriptionCanceled:  subscriptions.ErrEnded,
			payments.SubscriptionExpired:   subscriptions.ErrEnded,
			payments.SubscriptionPastDue:   subscriptions.ErrUnpaid,
			payments.SubscriptionUnpaid:    subscriptions.ErrUnpaid,
			payments.SubscriptionPaused:    subscriptions.ErrNotReady,
			payments.SubscriptionUnknown:   subscriptions.ErrNotReady,
		} {
			b.set(status)

			_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
			require.ErrorIs(t, err, want, status)
		}

		b.set(payments.SubscriptionActive)

		for to, keyword := range map[string]string{"": "enum", "no-such": "enum", "pack-small": "enum", "pro-monthly": "const"} {
			_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, to)
			require.ErrorIs(t, err, subscriptions.ErrProduct, to)
			require.Equal(t, keyword, fault.Of(err).Fields[0].Keyword)
		}

		b.books.Time.Move(31 * day)

		_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
		require.ErrorIs(t, err, subscriptions.ErrNotReady, "the next payment is under way")
		require.Empty(t, b.vendor.Calls())
		require.Empty(t, b.changes())
	})
}

func TestChange_Worked(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")

	u, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
	require.NoError(t, err)
	require.Equal(t, "studio-monthly", u.Pending.To.ID)
	require.Equal(t, []string{"change now prod_imagerunStudioMonthEur"}, b.vendor.Calls())
	require.Equal(t, []string{"asked"}, b.changes(), "the look ends it")
	require.Equal(t, int64(2500), paymentstest.Read[int64](b.books, `select credits from payment_change where at_once and from_product = 'pro-monthly'`))
	require.Equal(t, 1, b.looks())
	require.Equal(t, 1, paymentstest.Read[int](b.books, `select hints from payment_subscription`), "a look that ran meanwhile is done again")

	u, err = b.Get(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Equal(t, int64(2500), u.Pending.Credits)
	require.True(t, u.Pending.Now)

	_, err = b.Change(t.Context(), b.person.ID, b.sub.ID, "pro-yearly")
	require.ErrorIs(t, err, subscriptions.ErrChanging)
	require.Len(t, b.vendor.Calls(), 1)
}

// A process that ends within the call leaves what was asked for, and a look that finds out.
func TestChange_IsWrittenBeforeTheCall(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")

	var (
		changes []string
		left    []queuetest.Job
	)

	b.vendor.During = func() { changes, left = b.changes(), b.jobs.Pending() }

	_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
	require.NoError(t, err)
	require.Equal(t, []string{"asked"}, changes)
	require.Len(t, left, 1)
	require.Equal(t, b.sub.ID.String(), left[0].Key)
	require.Positive(t, left[0].DueIn, "not before the call has ended")
	require.Equal(t, 1, b.looks(), "which now comes at once")
}

// Who goes away while the vendor works is no reason to forget what becomes of it.
func TestChange_CallerGone(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")
	ctx, cancel := context.WithCancel(t.Context())
	b.vendor.During = cancel
	b.vendor.Fail(payments.Rejected)

	_, err := b.Change(ctx, b.person.ID, b.sub.ID, "studio-monthly")
	require.ErrorIs(t, err, subscriptions.ErrPaymentRefused)
	require.Equal(t, []string{"refused"}, b.changes())
	require.Equal(t, 1, b.looks())
}

func TestChange_Downgrade(t *testing.T) {
	t.Parallel()

	b := setup(t, "studio-monthly")

	_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "pro-monthly")
	require.NoError(t, err)
	require.Equal(t, []string{"change later prod_imagerunProMonthEur"}, b.vendor.Calls())

	// As the look ends it.
	b.books.Exec(`update payment_change set status = 'done', ended_at = created_at`)
	b.books.Exec(`update payment_subscription set product_id = 'pro-monthly'`)

	u, err := b.Get(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Nil(t, u.Pending)
	require.Equal(t, "studio-monthly", u.Rights.Product.ID)

	balance, err := b.books.Ledger.Balance(t.Context(), b.pool, b.person.ID)
	require.NoError(t, err)
	require.Equal(t, int64(3000), balance.Available, "no credits are taken")
	creditstest.Check(t, b.pool)
}

func TestChange_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	for class, want := range map[payments.Class]error{
		payments.Rejected:  subscriptions.ErrPaymentRefused,
		payments.Transient: subscriptions.ErrUnavailable,
		payments.Account:   subscriptions.ErrUnavailable,
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()

			b := setup(t, "pro-monthly")
			b.vendor.Fail(class)

			_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
			require.ErrorIs(t, err, want)
			require.Equal(t, []string{"refused"}, b.changes())
			require.Equal(t, 1, b.looks())

			_, err = b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
			require.NoError(t, err, "it may be asked for again at once")
			require.Equal(t, []string{"refused", "asked"}, b.changes())
		})
	}
}

func TestChange_RefusedDowngrade(t *testing.T) {
	t.Parallel()

	b := setup(t, "studio-monthly")
	b.vendor.Fail(payments.Rejected)

	_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "pro-monthly")
	require.ErrorIs(t, err, subscriptions.ErrRefused, "nothing was to be paid")
}

func TestChange_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")
	b.vendor.LoseAnswer()

	_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
	require.ErrorIs(t, err, subscriptions.ErrUnclear)
	require.Equal(t, []string{"asked"}, b.changes(), "the look that follows finds out")
	require.Equal(t, 1, b.looks())
	require.Len(t, b.vendor.Calls(), 1)

	_, err = b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
	require.ErrorIs(t, err, subscriptions.ErrChanging)
	require.Len(t, b.vendor.Calls(), 1, "it is not sent twice")
}

// Of two at once one is sent, so that the difference is charged once.
func TestChange_AtOnce(t *testing.T) {
	t.Parallel()

	const callers = 5

	b := setup(t, "pro-monthly")
	results := make(chan error, callers)

	for range callers {
		go func() {
			_, err := b.Change(t.Context(), b.person.ID, b.sub.ID, "studio-monthly")
			results <- err
		}()
	}

	done := 0

	for range callers {
		if err := <-results; err == nil {
			done++
		} else {
			require.ErrorIs(t, err, subscriptions.ErrChanging)
		}
	}

	require.Equal(t, 1, done)
	require.Len(t, b.vendor.Calls(), 1)
}
