package payments

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/payments/desk"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/publicid"
)

// By whatever an operator has of a purchase, all of it is shown.
func TestPayments_Show(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	vendor, event := "ord_"+b.order.String(), b.tell("ord_"+b.order.String())
	b.tell("ord_other")
	b.Exec(`insert into payment_difference (kind, about, status, credits, found_at, seen_at) values ('missed_refund', $1, 'repaired', -40, now(), now())`, b.order.String()+":200")
	b.InTx(func(ctx context.Context, tx pgx.Tx) error {
		return b.Ledger.ClawBack(ctx, tx, credits.ClawBack{Subject: b.person.Subject, Reference: "creem:" + vendor, Event: "e", Credits: 40, Reason: credits.ReasonPaymentRefunded})
	})

	refund := uuid.NewString()
	b.run(0, "refund", b.publicOrder(), "--amount", "2", "--reason", "quality", "--by", "ada", "--request", refund)

	for _, name := range []string{
		b.publicOrder(), strings.ToUpper(b.publicOrder()), b.order.String(), vendor, "tran_" + b.order.String(), publicid.SupportCode(b.order),
		strings.ToLower(strings.ReplaceAll(publicid.SupportCode(b.order), "-", " ")), refund,
	} {
		out := b.run(0, "show", name)
		require.Regexp(t, `(?m)^order +`+b.publicOrder()+` \(`, out)
		require.Regexp(t, `(?m)^product +pack-small: 100 credits, pack\npaid +5\.00 EUR, of it tax 0\.00 EUR$`, out)
		require.Regexp(t, `(?m)^credits given +100\ncredits taken back +40$`, out)
		require.Regexp(t, `(?m)^refund .*2\.00 EUR of `+b.publicOrder()+`, quality, by ada +by hand: .*`+refund+`$`, out)
		require.Regexp(t, `(?m)^difference .* missed_refund of .*repaired, -40 credits$`, out)
		require.Regexp(t, `(?m)^difference .* refund_by_hand of `+refund+` +open: `, out)
		require.Regexp(t, `(?m)^webhook .* checkout\.completed +failed, event_unreadable +`+event.String()+`$`, out)
		require.Equal(t, 1, strings.Count(out, "\nwebhook "), out)
		require.Regexp(t, `(?m)^checkout +cko_`, out)
		require.Contains(t, out, b.person.Subject.String())
	}

	require.Contains(t, b.run(1, "show", "tran_unknown"), "tran_unknown: there is no order, subscription or checkout of ours")
	require.Contains(t, b.run(2, "show", "what?"), `"what?" is no name of a purchase`)
	require.Contains(t, b.run(2, "show"), "takes one argument, an id, or --email")
}

// A subscription comes with all of its payments, and each of them with it alone.
func TestPayments_ShowSubscription(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	s := b.Subscribe(b.person, "pro-monthly")

	var got desk.Case

	for _, name := range []string{s.VendorID, publicid.Format(publicid.PrefixSubscription, s.ID), s.OrderID.String()} {
		require.NoError(t, json.Unmarshal([]byte(b.run(0, "show", name, "--json")), &got))
		require.Len(t, got.Orders, 1)
		require.Equal(t, publicid.Format(publicid.PrefixOrder, s.OrderID), got.Orders[0].ID)
		require.Len(t, got.Subscriptions, 1)
		require.Equal(t, s.VendorID, got.Subscriptions[0].VendorID)
	}
}

// The address is read and never said; the operators' role could not read one.
func TestPayments_ShowByAddress(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	b.BuyPack(b.NewPerson(), "pack-large", false)

	out := b.runWith(nil, " ada@EXAMPLE.com \n", 0, "show", "--email")
	require.Contains(t, out, b.publicOrder())
	require.NotContains(t, out, "pack-large")

	require.Contains(t, b.runWith(nil, "grace@example.com", 1, "show", "--email"), "that address: there is no order")
	require.Contains(t, b.runWith(nil, "ada", 2, "show", "--email"), "what was given is no address")
	require.Contains(t, b.run(2, "show", "--email", "ada@localhost"), "an ID or --email: which of them?")
}

// A look is staged once for a purchase, and one that runs is done again.
func TestPayments_Look(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	s := b.Subscribe(b.person, "pro-monthly")

	for range 2 {
		require.Contains(t, b.run(0, "look", "tran_"+b.order.String()), "order "+b.publicOrder()+" is looked at")
	}

	require.Contains(t, b.run(0, "look", s.OrderID.String()), "subscription "+publicid.Format(publicid.PrefixSubscription, s.ID)+" is looked at")
	checkout := publicid.Format(publicid.PrefixCheckout, paymentstest.Read[uuid.UUID](b.Books, `select id from payment_checkout`))
	require.Contains(t, b.run(0, "look", checkout), "checkout "+checkout+" is looked at")
	require.Equal(t, "payments.look_at_checkout payments.look_at_order payments.look_at_subscription", b.jobs())
	require.EqualValues(t, 2, paymentstest.Read[int32](b.Books, `select hints from payment_order where id = $1`, b.order))
	require.EqualValues(t, 1, paymentstest.Read[int32](b.Books, `select hints from payment_subscription where id = $1`, s.ID))
	b.run(1, "look", "tran_unknown")
}

func TestPayments_Replay(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	id := b.tell("ord_other")

	require.Contains(t, b.run(0, "replay", id.String()), "event "+id.String()+" is worked once more")
	require.Equal(t, "inbox.work_event", b.jobs())
	require.Equal(t, "received", paymentstest.Read[string](b.Books, `select state from inbox_event where id = $1`, id))

	b.Exec(`update inbox_event set body = null, body_erased_at = now()`)
	require.Contains(t, b.run(1, "replay", id.String()), "the body of the event is gone")
	require.Contains(t, b.run(1, "replay", uuid.NewString()), "there is no such event")
	require.Contains(t, b.run(2, "replay", "evt_1"), "is not the id of an event")
}
