package refunds_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/refunds"
)

func TestAsk(t *testing.T) {
	t.Parallel()

	t.Run("Once", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		r := refunds.Request{ID: uuid.New(), OrderID: b.order, Amount: paid, Reason: refunds.Quality, Actor: "ops"}

		for range 2 {
			status, err := b.try(r)
			require.NoError(t, err)
			require.Equal(t, refunds.Asked, status)
		}

		require.Len(t, b.jobs.Pending(), 1)

		r.Amount--
		_, err := b.try(r)
		require.ErrorIs(t, err, refunds.ErrMismatch)
	})

	t.Run("APartIsByHand", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		id, status := b.ask(t, paid-1)
		require.Equal(t, refunds.ByHand, status)
		b.is(t, id, refunds.ByHand, "refund_by_hand")
		require.Empty(t, b.jobs.Pending())
	})

	t.Run("NeverMoreThanWasPaid", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.ask(t, 300)

		_, status := b.ask(t, 200)
		require.Equal(t, refunds.ByHand, status)

		for _, amount := range []int64{1, paid, 0, -1} {
			_, err := b.try(refunds.Request{ID: uuid.New(), OrderID: b.order, Amount: amount, Reason: refunds.Other, Actor: "ops"})
			require.ErrorIs(t, err, refunds.ErrExceeds)
		}
	})

	t.Run("Refuses", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		_, err := b.try(refunds.Request{ID: uuid.New(), OrderID: uuid.New(), Amount: 1, Reason: refunds.Other, Actor: "ops"})
		require.ErrorIs(t, err, refunds.ErrNoOrder)

		b.books.Exec(`update payment_order set disputed = true`)

		_, err = b.try(refunds.Request{ID: uuid.New(), OrderID: b.order, Amount: 1, Reason: refunds.Other, Actor: "ops"})
		require.ErrorIs(t, err, refunds.ErrDisputed)
	})
}

func TestSend_Worked(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id, _ := b.ask(t, paid)
	require.True(t, b.jobs.RunNext(t.Context()))
	b.is(t, id, refunds.Done, "")
	require.Equal(t, []string{"refund"}, b.vendor.Calls())
	require.Equal(t, []string{"payments.look_at_order"}, b.looks())
	require.True(t, paymentstest.Read[bool](b.books, `select refund_pending and hints = 1 from payment_order`))
	require.False(t, b.jobs.RunNextEarly(t.Context()), "it has ended")
}

// A process that ends within the call leaves a refund that may have happened, which is read and not sent again.
func TestSend_IsWrittenBeforeTheCall(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id, _ := b.ask(t, paid)
	b.vendor.During = func() { b.is(t, id, refunds.Sent, "") }
	require.True(t, b.jobs.RunNext(t.Context()))
	b.is(t, id, refunds.Done, "")
}

func TestSend_OfASubscription(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sub := b.books.Subscribe(b.person, "pro-monthly")
	b.order = sub.OrderID
	b.know(payments.TransactionPaid, 0)

	id, _ := b.ask(t, 1500)
	require.True(t, b.jobs.RunNext(t.Context()))
	b.is(t, id, refunds.Done, "")
	require.Equal(t, []string{"payments.look_at_subscription"}, b.looks())
	require.Equal(t, 1, paymentstest.Read[int](b.books, `select hints from payment_subscription`))
}

func TestSend_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	t.Run("IsTriedAgain", func(t *testing.T) {
		t.Parallel()

		for _, class := range []payments.Class{payments.Transient, payments.Account} {
			b := setup(t)
			id, _ := b.ask(t, paid)
			b.vendor.Fail(class)
			require.True(t, b.jobs.RunNext(t.Context()))
			b.is(t, id, refunds.Asked, "")
			require.Empty(t, b.looks())

			require.True(t, b.jobs.RunNextEarly(t.Context()))
			b.is(t, id, refunds.Done, "")
			require.Equal(t, []string{"refund", "refund"}, b.vendor.Calls())
		}
	})

	t.Run("IsReadBeforeASecondTry", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		id, _ := b.ask(t, paid)
		b.vendor.Fail(payments.Transient)
		require.True(t, b.jobs.RunNext(t.Context()))
		b.know(payments.TransactionPaid, paid) // a person was faster
		require.True(t, b.jobs.RunNextEarly(t.Context()))
		b.is(t, id, refunds.Done, "")
		require.Equal(t, []string{"refund"}, b.vendor.Calls())
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		id, _ := b.ask(t, paid)
		b.vendor.Fail(payments.Rejected)
		require.True(t, b.jobs.RunNext(t.Context()))
		b.is(t, id, refunds.Refused, "refund_refused")
		require.Equal(t, []string{"payments.look_at_order"}, b.looks())
		require.Empty(t, b.jobs.Dead())
	})

	t.Run("WhatTheBankTookOrAPartIsLeftToAPerson", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		id, _ := b.ask(t, paid)
		b.know(payments.TransactionChargedBack, 0)
		require.True(t, b.jobs.RunNext(t.Context()))
		b.is(t, id, refunds.ByHand, "refund_by_hand")

		b = setup(t)
		id, _ = b.ask(t, paid)
		b.know(payments.TransactionPaid, 1)
		require.True(t, b.jobs.RunNext(t.Context()))
		b.is(t, id, refunds.ByHand, "refund_by_hand")
		require.Empty(t, b.vendor.Calls())
	})
}

func TestSend_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id, _ := b.ask(t, paid)
	b.vendor.LoseAnswer()
	require.True(t, b.jobs.RunNext(t.Context()))
	b.is(t, id, refunds.Sent, "")

	require.True(t, b.jobs.RunNextEarly(t.Context()))
	b.is(t, id, refunds.Done, "")
	require.Equal(t, []string{"refund"}, b.vendor.Calls(), "it is not sent twice")
	require.Equal(t, []string{"payments.look_at_order"}, b.looks())
}

// What may have happened, and never shows, is not sent again: a person looks.
func TestSend_NeverShows(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id, _ := b.ask(t, paid)
	b.vendor.Fail(payments.Unknown)
	require.True(t, b.jobs.RunNext(t.Context()))

	for range 3 {
		b.is(t, id, refunds.Sent, "")
		require.True(t, b.jobs.RunNextEarly(t.Context()))
		b.books.Time.Move(45 * time.Minute)
	}

	require.True(t, b.jobs.RunNextEarly(t.Context()))
	b.is(t, id, refunds.ByHand, "refund_by_hand")
	require.Equal(t, []string{"refund"}, b.vendor.Calls())
	require.Empty(t, b.jobs.Dead())
}
