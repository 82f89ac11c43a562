package subscriptions_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/subscriptions"
)

func TestCancelAndResume_Worked(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")

	u, err := b.Cancel(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Equal(t, payments.SubscriptionScheduled, u.Status)
	require.Equal(t, u.PeriodEnd, u.EndsAt)
	require.Zero(t, u.RenewsAt)
	require.Equal(t, 1, b.looks())

	// Our row does not say so yet: the vendor is asked all the same.
	u, err = b.Resume(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Equal(t, payments.SubscriptionActive, u.Status)
	require.Equal(t, u.PeriodEnd, u.RenewsAt)
	require.Equal(t, []string{"cancel", "resume"}, b.vendor.Calls())
	require.Equal(t, 2, paymentstest.Read[int](b.books, `select hints from payment_subscription`))
}

func TestCancelAndResume_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	for class, want := range map[payments.Class]error{
		payments.Rejected: subscriptions.ErrRefused, payments.Transient: subscriptions.ErrUnavailable, payments.Account: subscriptions.ErrUnavailable,
	} {
		b := setup(t, "pro-monthly")
		b.vendor.Fail(class)

		_, err := b.Cancel(t.Context(), b.person.ID, b.sub.ID)
		require.ErrorIs(t, err, want)
		require.Equal(t, 1, b.looks())

		b.vendor.PutSubscription(payments.Subscription{ID: b.sub.VendorID, Status: payments.SubscriptionScheduled})
		b.vendor.Fail(class)

		_, err = b.Resume(t.Context(), b.person.ID, b.sub.ID)
		require.ErrorIs(t, err, want)
	}
}

func TestCancelAndResume_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")

	b.vendor.LoseAnswer()

	_, err := b.Cancel(t.Context(), b.person.ID, b.sub.ID)
	require.ErrorIs(t, err, subscriptions.ErrUnclear)
	require.Equal(t, 1, b.looks())

	// Whoever sends it again is refused by the vendor, and told that it is so.
	b.vendor.Fail(payments.Rejected)

	u, err := b.Cancel(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Equal(t, payments.SubscriptionScheduled, u.Status)

	b.vendor.LoseAnswer()

	_, err = b.Resume(t.Context(), b.person.ID, b.sub.ID)
	require.ErrorIs(t, err, subscriptions.ErrUnclear)
}

func TestCancelAndResume_Ended(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")
	b.set(payments.SubscriptionCanceled)

	u, err := b.Cancel(t.Context(), b.person.ID, b.sub.ID)
	require.NoError(t, err)
	require.Equal(t, payments.SubscriptionCanceled, u.Status)

	_, err = b.Resume(t.Context(), b.person.ID, b.sub.ID)
	require.ErrorIs(t, err, subscriptions.ErrEnded)

	b.set(payments.SubscriptionPastDue)

	_, err = b.Resume(t.Context(), b.person.ID, b.sub.ID)
	require.ErrorIs(t, err, subscriptions.ErrUnpaid)
	require.Empty(t, b.vendor.Calls())
}

// stageCancel stages the job of a subscription that was withdrawn from.
func (b *bundle) stageCancel() {
	b.books.InTx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(ctx, tx, jobs.CancelSubscription{SubscriptionID: b.sub.ID})

		return err
	})
}

func (b *bundle) refusals() int {
	return paymentstest.Read[int](b.books, `select count(*) from payment_difference where kind = 'cancel_refused' and status = 'open'`)
}

func TestCancelJob(t *testing.T) {
	t.Parallel()

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.stageCancel()
		require.True(t, b.jobs.RunNext(t.Context()))
		require.Equal(t, []string{"cancel"}, b.vendor.Calls())
		require.Equal(t, 1, b.looks())
		require.False(t, b.jobs.RunNextEarly(t.Context()), "it has ended")
	})

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.stageCancel()
		b.vendor.Fail(payments.Transient)
		require.True(t, b.jobs.RunNext(t.Context()))
		require.Zero(t, b.looks())
		require.True(t, b.jobs.RunNextEarly(t.Context()), "it is tried again")
		require.Equal(t, []string{"cancel", "cancel"}, b.vendor.Calls())
		require.Equal(t, 1, b.looks())
	})

	t.Run("FailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.stageCancel()
		b.vendor.LoseAnswer()
		require.True(t, b.jobs.RunNext(t.Context()))
		require.True(t, b.jobs.RunNextEarly(t.Context()))
		require.Equal(t, []string{"cancel"}, b.vendor.Calls(), "it is not sent twice")
		require.Equal(t, 1, b.looks())
		require.Zero(t, b.refusals())
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.stageCancel()
		b.vendor.Fail(payments.Rejected)
		require.True(t, b.jobs.RunNext(t.Context()))
		require.Equal(t, 1, b.refusals())
		require.Empty(t, b.jobs.Dead())
	})
}
