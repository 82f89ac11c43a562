package books_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever is paid at last is found, though no webhook tells of it.
func TestCheckout_NoWebhook(t *testing.T) {
	t.Parallel()

	t.Run("PaidAfterItWasOverHere", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		_, theirs := b.wish(t, "pack-small")
		b.pass(t, 25*time.Hour)
		b.reconcile(t)

		b.world.pay(theirs, "pack-small")
		b.pass(t, 7*time.Hour)
		b.reconcile(t)
		b.has(t, 100, 0, "free")
	})

	t.Run("CompletedBeforeItsPaymentShows", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ours, theirs := b.wish(t, "pack-small")
		b.world.pay(theirs, "pack-small")
		b.world.checkouts[theirs].Order.Paid = false
		b.tell(t, hint{CheckoutID: ours, VendorCheckout: theirs})
		b.has(t, 0, 0, "free")

		b.world.checkouts[theirs].Order.Paid = true
		b.pass(t, time.Hour)
		b.reconcile(t)
		b.has(t, 100, 0, "free")
	})

	t.Run("AbandonedItIsForgotten", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.wish(t, "pack-small")

		for range 5 {
			b.pass(t, 24*time.Hour)
			b.reconcile(t)
		}

		var left int

		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from payment_checkout where next_look_at is not null`).Scan(&left))
		require.Zero(t, left)
	})
}

// What was paid for a product that is not known gives its credits once it is.
func TestCheckout_UnknownProduct(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ours, theirs := b.wish(t, "pack-small")
	b.world.pay(theirs, "pack-small")

	known := b.world.checkouts[theirs].Order.ProductID
	b.world.checkouts[theirs].Order.ProductID = "prod_notInTheFile"
	b.tell(t, hint{CheckoutID: ours, VendorCheckout: theirs})
	b.has(t, 0, 0, "free")
	require.Equal(t, []string{"unknown_product open"}, b.differences(t))

	b.world.checkouts[theirs].Order.ProductID = known // as if it was put into the file
	b.pass(t, 7*time.Hour)
	b.reconcile(t)
	b.has(t, 100, 0, "free")
	require.Equal(t, []string{"unknown_product settled"}, b.differences(t))
}
