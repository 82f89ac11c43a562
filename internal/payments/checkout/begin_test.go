package checkout_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/idempotency"
	"imagerun/internal/payments"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/publicid"
)

func TestBegin(t *testing.T) {
	t.Parallel()

	b := setup(t)

	c, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pack", Currency: "EUR", Waive: true})
	require.NoError(t, err)
	require.Equal(t, checkout.StatusOpen, c.Status)
	require.Equal(t, "pack", c.ProductID)
	require.EqualValues(t, 500, c.Amount)
	require.NotEmpty(t, c.URL)
	require.Equal(t, b.now.Now(), *c.WaivedAt)
	require.Equal(t, b.now.Now().Add(time.Hour), c.ExpiresAt)
	require.Nil(t, c.OrderID)

	require.Len(t, b.vendor.made, 1)
	sent := b.vendor.made[0]
	require.Equal(t, c.ID, sent.CheckoutID)
	require.Equal(t, "prod_pack", sent.ProductID)
	require.Equal(t, "buyer@example.com", sent.Email.Reveal())
	require.Equal(t, "https://app.example/checkout/return/"+publicid.Format(publicid.PrefixCheckout, c.ID), sent.ReturnURL)

	var waiver string

	require.NoError(t, b.pool.QueryRow(t.Context(), `select waiver from payment_checkout where next_look_at = $1`,
		b.now.Now().Add(10*time.Minute)).Scan(&waiver), "reconciliation knows when to look")
	require.Equal(t, checkout.WaiverVersion+": "+checkout.WaiverText, waiver)
	require.Empty(t, b.jobs.Pending(), "nothing is to be seen yet")
}

func TestBegin_WithoutWaiver(t *testing.T) {
	t.Parallel()

	off := setup(t, func(o *checkout.Options) { o.WaiverOn = false })

	c, err := off.Begin(t.Context(), off.user, checkout.Request{ProductID: "pack", Currency: "EUR", Waive: true})
	require.NoError(t, err)
	require.Nil(t, c.WaivedAt, "what cannot be waived is not")
	require.False(t, off.Waivable())
}

func TestBegin_RefusesAndLeavesNoRow(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for name, one := range map[string]struct {
		request checkout.Request
		want    *fault.Error
		pointer string
	}{
		"unknown product":  {checkout.Request{ProductID: "none", Currency: "EUR"}, checkout.ErrProduct, "#/product"},
		"retired product":  {checkout.Request{ProductID: "old", Currency: "EUR"}, checkout.ErrProduct, "#/product"},
		"unknown currency": {checkout.Request{ProductID: "pack", Currency: "CHF"}, checkout.ErrCurrency, "#/currency"},
		"not sold here":    {checkout.Request{ProductID: "pack", Currency: "USD"}, checkout.ErrCurrency, "#/currency"},
		"sold nowhere":     {checkout.Request{ProductID: "nowhere", Currency: "EUR"}, checkout.ErrCurrency, "#/currency"},
	} {
		_, err := b.Begin(t.Context(), b.user, one.request)
		require.ErrorIs(t, err, one.want, name)
		require.Equal(t, one.pointer, fault.Of(err).Fields[0].Pointer, name)
	}

	for _, status := range []string{"unknown", "active", "past_due", "scheduled_cancel"} {
		b.exec(t, `insert into payment_subscription (vendor_id, subject, status) values ('sub_1', $1, $2)
			on conflict (vendor_id) do update set status = excluded.status`, b.subject, status)

		_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, checkout.ErrSubscribed, status)
	}

	require.Zero(t, b.count(t, "true"))
	require.Empty(t, b.vendor.made)

	b.exec(t, `update payment_subscription set status = 'canceled'`)
	b.begin(t, "pro")
	b.begin(t, "pack")
}

func TestBegin_OneOpenCheckoutOfAPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)
	first := b.begin(t, "pro")

	_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
	require.ErrorIs(t, err, checkout.ErrOpen)

	var open *checkout.OpenError

	require.ErrorAs(t, err, &open)
	require.Equal(t, first.ID, open.ID)
	require.Equal(t, 1, b.count(t, "true"))

	b.begin(t, "pack")
	b.begin(t, "pack")

	b.now.Move(time.Hour)

	second := b.begin(t, "pro")
	old := b.get(t, first.ID)
	require.Equal(t, checkout.StatusExpired, old.Status)
	require.Empty(t, old.URL)
	require.Equal(t, checkout.StatusOpen, second.Status)
	require.Equal(t, 1, b.count(t, "status = 'expired' and next_look_at is not null"), "what was paid at the last moment is still found")
}

func TestBegin_ManyAtOnceMakeOneCheckoutOfAPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var (
		wg   sync.WaitGroup
		errs [8]error
	)

	for i := range errs {
		wg.Go(func() {
			_, errs[i] = b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		})
	}

	wg.Wait()

	made := 0

	for _, err := range errs {
		if err == nil {
			made++

			continue
		}

		require.ErrorIs(t, err, checkout.ErrOpen)
	}

	require.Equal(t, 1, made)
	require.Len(t, b.vendor.made, 1)
}

// The call of the vendor works, or fails and did not happen, or fails and did happen.
func TestBegin_WhenTheVendorFails(t *testing.T) {
	t.Parallel()

	t.Run("Transient", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.vendor.before = []error{failure(payments.Transient)}

		_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, checkout.ErrUnavailable)
		require.NotZero(t, fault.Of(err).RetryAfter)
		require.Equal(t, 1, b.count(t, "status = 'failed' and url is null"))

		b.begin(t, "pro")
	})

	t.Run("UnknownOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.vendor.after = []error{failure(payments.Unknown)}

		c := b.begin(t, "pro")
		require.Equal(t, checkout.StatusOpen, c.Status)
		require.Len(t, b.vendor.made, 2, "the address of the first was never seen")
		require.Contains(t, c.URL, "ch_2")
	})

	t.Run("UnknownTwice", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.vendor.after = []error{failure(payments.Unknown), failure(payments.Unknown)}

		_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, checkout.ErrUnavailable)
		require.Len(t, b.vendor.made, 2)
		require.Equal(t, 1, b.count(t, "status = 'failed'"))
	})

	for _, class := range []payments.Class{payments.Rejected, payments.Account, payments.NotFound} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.vendor.before = []error{failure(class)}

			_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pack", Currency: "EUR"})
			require.ErrorIs(t, err, checkout.ErrRefused)
			require.Contains(t, fault.Of(err).Detail, "Nothing was charged")
			require.Equal(t, 1, b.count(t, "status = 'failed'"))
		})
	}
}

func TestBegin_Interrupted(t *testing.T) {
	t.Parallel()

	t.Run("TheOutcomeIsWrittenAllTheSame", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		b.vendor.during = cancel

		_, err := b.Begin(ctx, b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, b.count(t, "status = 'open'"), "who asks again is told of it")
	})

	t.Run("ARowThatIsLeftExpires", func(t *testing.T) {
		t.Parallel()

		b, id := setup(t), uuid.New()
		b.exec(t, `insert into payment_checkout (id, subject, product_id, plan, currency, amount, created_at, expires_at)
			values ($1, $2, 'pro', true, 'EUR', 1500, $3, $4)`, id, b.subject, b.now.Now(), b.now.Now().Add(2*time.Minute))

		_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, checkout.ErrOpen)
		require.Equal(t, checkout.StatusCreating, b.get(t, id).Status)

		b.now.Move(2 * time.Minute)

		require.Equal(t, checkout.StatusExpired, b.get(t, id).Status)
		b.begin(t, "pro")
		require.Equal(t, 1, b.count(t, "status = 'expired'"))
	})

	t.Run("AnAnswerThatComesTooLateOpensNothing", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.vendor.during = func() { b.exec(t, `update payment_checkout set status = 'expired', ended_at = now()`) }

		_, err := b.Begin(t.Context(), b.user, checkout.Request{ProductID: "pro", Currency: "EUR"})
		require.ErrorIs(t, err, checkout.ErrUnavailable)
		require.Equal(t, 1, b.count(t, "status = 'expired' and url is null"))
	})
}

func TestBegin_IdempotencyKey(t *testing.T) {
	t.Parallel()

	b := setup(t)
	request := checkout.Request{ProductID: "pro", Currency: "EUR", IdempotencyKey: "k", Fingerprint: []byte("print")}

	b.vendor.before = []error{failure(payments.Transient)}
	_, err := b.Begin(t.Context(), b.user, request)
	require.ErrorIs(t, err, checkout.ErrUnavailable)

	first, err := b.Begin(t.Context(), b.user, request)
	require.NoError(t, err, "a checkout that failed is none")
	require.Nil(t, first.Replay)

	second, err := b.Begin(t.Context(), b.user, request)
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, first.URL, second.URL)
	require.NotNil(t, second.Replay)
	require.Len(t, b.vendor.made, 1)

	request.Fingerprint = []byte("another")
	_, err = b.Begin(t.Context(), b.user, request)
	require.ErrorIs(t, err, idempotency.ErrMismatch)
}
