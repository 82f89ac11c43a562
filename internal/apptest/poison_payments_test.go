package apptest_test

import (
	"net/http"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
)

// buy has the user pay a product at the vendor's page, and returns the vendor's id of the payment.
func (w *poisonWorld) buy(t *testing.T, product string) (transaction string) {
	t.Helper()

	var made struct{ URL string }

	reply := w.user.Do(t, http.MethodPost, "/v1/checkouts", map[string]any{"product": product, "currency": "EUR"}, &made)
	require.Equal(t, http.StatusCreated, reply.StatusCode)

	paid, err := w.Creem.PayCheckout(path.Base(made.URL))
	require.NoError(t, err)

	return paid.TransactionID
}

// paymentsPoison are the kinds of payments: what a look would have done, the next one does, which reconciliation stages.
func paymentsPoison() map[string]poisoned {
	reconcile := func(t *testing.T, w *poisonWorld) { t.Helper(); w.tick(t, jobs.ReconcilePayments{}.Kind()) }

	return map[string]poisoned{
		jobs.LookAtCheckout{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) { t.Helper(); w.buy(t, "pack-small") },
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.exec(t, `update payment_checkout set next_look_at = now()`)
				reconcile(t, w)
				w.until(t, `select count(*) from payment_checkout where status = 'open'`)
				w.until(t, `select 1 - count(*) from payment_order where credits > 0`)
			},
		},
		jobs.LookAtSubscription{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) { t.Helper(); w.buy(t, "pro-monthly") },
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.exec(t, `update payment_subscription set next_look_at = now()`)
				reconcile(t, w)
				w.until(t, `select count(*) from payment_subscription where status = 'unknown'`)
				w.until(t, `select 1 - count(*) from payment_order where kind = 'plan' and credits > 0`)
			},
		},
		jobs.LookAtOrder{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()

				id := w.buy(t, "pack-large")
				w.until(t, `select 1 - count(*) from payment_order where transaction_id = $1 and credits > 0`, id)
				require.NoError(t, w.Creem.Refund(id, 0))
			},
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				reconcile(t, w)
				w.until(t, `select 1 - count(*) from payment_order where refunded = paid`)
			},
		},
		jobs.RefundOrder{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.exec(t, `with asked as (
						insert into payment_refund (id, order_id, amount, reason, actor, created_at)
						select gen_random_uuid(), id, paid, 'goodwill', 'operator', now() from payment_order where kind = 'pack' and refunded = 0 limit 1 returning id
					) insert into job (kind, queue, args) select $1, 'payment', jsonb_build_object('refund_id', id) from asked`, jobs.RefundOrder{}.Kind())
			},
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.until(t, `select count(*) from payment_refund where status <> 'by_hand'`)
				w.until(t, `select 1 - count(*) from payment_difference where kind = 'refund_by_hand' and status = 'open'`)
			},
		},
		jobs.CancelSubscription{}.Kind(): {
			stage: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.exec(t, `insert into job (kind, queue, args) select $1, 'payment', jsonb_build_object('subscription_id', id) from payment_subscription`, jobs.CancelSubscription{}.Kind())
			},
			ends: func(t *testing.T, w *poisonWorld) {
				t.Helper()
				w.until(t, `select 1 - count(*) from payment_difference where kind = 'cancel_refused' and status = 'open'`)
			},
		},
	}
}
