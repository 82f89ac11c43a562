package payments

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments/paymentstest"
)

// A whole payment is the vendor's to return, once for a request.
func TestPayments_Refund(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	request := uuid.NewString()
	give := []string{"refund", b.publicOrder(), "--reason", "goodwill", "--by", "ada", "--request", request}

	out := b.run(0, append(give, "--dry-run")...)
	require.Contains(t, out, "a dry run: nothing is given back. This would be:\n5.00 EUR of "+b.publicOrder()+": a worker has the vendor return it\n100 credits of it go")
	require.Empty(t, b.jobs())
	require.Zero(t, paymentstest.Read[int](b.Books, `select count(*) from payment_refund`))

	require.Contains(t, b.run(0, give...), "asked for, by request "+request+":\n5.00 EUR")
	require.Contains(t, b.run(0, give...), "request "+request+" was asked for before; nothing was changed:\n5.00 EUR")
	require.Equal(t, "payments.refund_order", b.jobs())
	require.Equal(t, "500 goodwill ada asked", paymentstest.Read[string](b.Books, `select concat_ws(' ', amount, reason, actor, status) from payment_refund where id = $1`, request))

	require.Contains(t, b.run(1, append(give, "--amount", "1")...), "the request was used for something else")
	require.Contains(t, b.run(1, "refund", b.publicOrder(), "--reason", "goodwill", "--amount", "0.01"), "nothing was given back: refund 1 of order "+b.order.String()+": more than is left of the payment")
	require.Contains(t, b.run(1, "refund", "tran_unknown", "--reason", "goodwill"), "there is no order")
	require.Contains(t, b.run(2, "refund", b.publicOrder(), "--reason", "goodwill", "--request", "ticket-4711"), "--request: must be a UUID")
	require.Contains(t, b.run(2, "refund", b.publicOrder(), "--amount", "1.5"), "write it as 2.50")
	require.Contains(t, b.run(2, "refund", b.publicOrder()), "--reason: say why")
}

// A part is a person's to return. Once they said that it is back, the payment is watched, and the rest may be asked for.
func TestPayments_RefundByHand(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	request := uuid.NewString()

	out := b.run(0, "refund", b.publicOrder(), "--amount", "2.50", "--reason", "quality", "--by", "ada", "--request", request)
	require.Contains(t, out, "by hand: return it in the vendor's dashboard, then\n  imagerun payments settle-difference refund_by_hand "+request+"\n50 credits of it go")
	require.Empty(t, b.jobs())

	out = b.run(1, "differences", "--open")
	require.Regexp(t, `(?m)^refund_by_hand +`+request+` +open `, out)
	require.Contains(t, out, "1 difference, 1 open in all\n")

	settle := []string{"settle-difference", "refund_by_hand", request, "--by", "grace"}
	require.Contains(t, b.run(0, settle...), "settled: refund_by_hand of "+request)
	require.Contains(t, b.run(0, settle...), "did not wait for a person; nothing was changed: settled by grace on ")
	require.Equal(t, "done", paymentstest.Read[string](b.Books, `select status from payment_refund where id = $1`, request))
	require.True(t, paymentstest.Read[bool](b.Books, `select refund_pending from payment_order where id = $1`, b.order))
	require.Equal(t, "payments.look_at_order", b.jobs())
	require.Contains(t, b.run(0, "differences", "--open"), "0 differences, 0 open in all\n")

	// A look has seen it: what is left can be given back, and this time it is not.
	b.Exec(`update payment_order set refunded = 250, refund_pending = false`)

	rest := uuid.NewString()
	require.Contains(t, b.run(0, "refund", b.publicOrder(), "--reason", "other", "--request", rest), "2.50 EUR of "+b.publicOrder()+": by hand")
	b.run(0, "settle-difference", "refund_by_hand", rest, "--unpaid")
	require.Equal(t, "refused", paymentstest.Read[string](b.Books, `select status from payment_refund where id = $1`, rest))
	require.False(t, paymentstest.Read[bool](b.Books, `select refund_pending from payment_order where id = $1`, b.order))

	require.Contains(t, b.run(1, "settle-difference", "unknown_payment", "tran_unknown"), "there is no such difference")
	require.Contains(t, b.run(2, "settle-difference", "missed_payment", "tran_unknown"), `there is no "missed_payment" that waits for a person; there are unknown_payment`)
	require.Contains(t, b.run(2, "settle-difference", "unknown_payment", "tran_unknown", "--unpaid"), "--unpaid: is of refund_by_hand alone")
}
