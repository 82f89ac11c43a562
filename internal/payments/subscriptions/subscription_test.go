package subscriptions_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/subscriptions"
)

func TestGet(t *testing.T) {
	t.Parallel()

	t.Run("SaysWhatHappensNext", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		start := b.books.Time.Now()
		end := products.AddMonths(start, 1)

		u, err := b.Get(t.Context(), b.person.ID, b.sub.ID)
		require.NoError(t, err)
		require.Equal(t, payments.SubscriptionActive, u.Status)
		require.Equal(t, "pro-monthly", u.Product.ID)
		require.Equal(t, "EUR", u.Currency)
		require.Equal(t, []time.Time{start, end}, []time.Time{u.PeriodStart, u.PeriodEnd})
		require.Equal(t, end, u.RenewsAt)
		require.Zero(t, u.EndsAt)
		require.Equal(t, "pro-monthly", u.Rights.Product.ID)
		require.Equal(t, end, u.Rights.Until)
		require.Equal(t, subscriptions.Remains{RightsUntil: end, CreditsUntil: products.AddMonths(start, 2)}, *u.IfCanceled)

		b.set(payments.SubscriptionScheduled)

		u, err = b.Get(t.Context(), b.person.ID, b.sub.ID)
		require.NoError(t, err)
		require.Zero(t, u.RenewsAt)
		require.Equal(t, end, u.EndsAt)
		require.Nil(t, u.IfCanceled)
	})

	t.Run("TheCreditsOfAYearLastUntilThoseOfItsLastMonth", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-yearly")

		u, err := b.Get(t.Context(), b.person.ID, b.sub.ID)
		require.NoError(t, err)
		require.Equal(t, products.AddMonths(u.PeriodStart, 13), u.IfCanceled.CreditsUntil)
		require.Equal(t, products.AddMonths(u.PeriodStart, 12), u.IfCanceled.RightsUntil)
	})

	t.Run("WhatWasPaidBackGivesNothing", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		b.books.Exec(`update payment_order set refunded = paid`)

		u, err := b.Get(t.Context(), b.person.ID, b.sub.ID)
		require.NoError(t, err)
		require.Nil(t, u.Rights)
	})

	t.Run("OfAnotherPersonThereIsNone", func(t *testing.T) {
		t.Parallel()

		b := setup(t, "pro-monthly")
		other := b.books.NewPerson()
		b.books.Subscribe(other, "studio-monthly")

		_, err := b.Get(t.Context(), other.ID, b.sub.ID)
		require.ErrorIs(t, err, subscriptions.ErrNotFound)
		_, err = b.Get(t.Context(), b.person.ID, uuid.New())
		require.ErrorIs(t, err, subscriptions.ErrNotFound)
		_, err = b.Change(t.Context(), other.ID, b.sub.ID, "studio-monthly")
		require.ErrorIs(t, err, subscriptions.ErrNotFound)
		_, err = b.Cancel(t.Context(), other.ID, b.sub.ID)
		require.ErrorIs(t, err, subscriptions.ErrNotFound)
		_, err = b.Resume(t.Context(), other.ID, b.sub.ID)
		require.ErrorIs(t, err, subscriptions.ErrNotFound)

		list, err := b.List(t.Context(), b.person.ID)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Empty(t, b.vendor.Calls())
	})
}

func TestPortalURL(t *testing.T) {
	t.Parallel()

	b := setup(t, "pro-monthly")

	url, err := b.PortalURL(t.Context(), b.person.ID)
	require.NoError(t, err)
	require.Equal(t, "https://portal.test/cust_paymentstest", url)

	b.vendor.Email = "eve@example.com"

	_, err = b.PortalURL(t.Context(), b.person.ID)
	require.ErrorIs(t, err, subscriptions.ErrNoCustomer, "who paid under another's address does not get their page")

	b.vendor.Email = "ada@example.com"

	_, err = b.PortalURL(t.Context(), b.books.NewPerson().ID)
	require.ErrorIs(t, err, subscriptions.ErrNoCustomer)

	b.vendor.Fail(payments.Transient)

	_, err = b.PortalURL(t.Context(), b.person.ID)
	require.ErrorIs(t, err, subscriptions.ErrUnavailable)
}
