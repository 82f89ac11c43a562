package creem_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/inbox"
	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
)

// hintErrors are the texts of all errors of ParseHint: none has anything of the body in it.
var hintErrors = []string{
	inbox.ErrUnknownType.Error(), "event of the payment vendor makes no sense", "event of the payment vendor names nothing to look at",
}

// FuzzParseHint: whatever comes, it names something, or it is refused in words of ours.
func FuzzParseHint(f *testing.F) {
	for name, one := range fixtures(f) {
		f.Add(name, one.body)
	}

	for _, object := range []string{`null`, `[]`, `7`, `{"id":"a"}`, `{"order":{"transaction":{"id":"a"}}}`, `{"metadata":{"checkout_id":"{`, "\"\xff\""} {
		f.Add("refund.created", []byte(`{"object":`+object+`}`))
	}

	f.Fuzz(func(t *testing.T, eventType string, body []byte) {
		hint, err := creem.ParseHint(eventType, body)
		if err != nil {
			require.Zero(t, hint)
			require.Contains(t, hintErrors, err.Error())

			return
		}

		require.NotEqual(t, payments.Hint{RefundPending: hint.RefundPending}, hint)
	})
}

// FuzzDecode: whatever Creem answers is read as what it can be, or refused in words of ours.
func FuzzDecode(f *testing.F) {
	for _, one := range fixtures(f) {
		for _, part := range []any{one.object, one.object["transaction"]} {
			b, err := json.Marshal(part)
			require.NoError(f, err)
			f.Add(b)
		}
	}

	for _, body := range []string{
		`{"items":[null]}`, `{"id":"a","created_at":1e300}`, `{"id":"a","order":{"id":"b","amount":-1}}`, `{"id":"a","metadata":{"checkout_id":"{"}}`,
		`{"id":"a","refunded_amount":9,"amount":9223372036854775807,"tax_amount":1}`, `{"id":"a","canceled_at":"9999-12-31T23:59:59-23:59"}`,
	} {
		f.Add([]byte(body))
	}

	f.Fuzz(func(t *testing.T, body []byte) {
		// requireSound demands that what was read can be written, or that the error has nothing of the body in it.
		requireSound := func(got any, err error) {
			if err != nil {
				require.Equal(t, "answer makes no sense", err.Error())

				return
			}

			_, err = json.Marshal(got)
			require.NoError(t, err)
		}

		checkout, err := creem.DecodeCheckout(body)
		requireSound(checkout, err)

		subscription, err := creem.DecodeSubscription(body)
		requireSound(subscription, err)

		transaction, err := creem.DecodeTransaction(body)
		requireSound(transaction, err)
		require.GreaterOrEqual(t, transaction.Refunded, int64(0))
		require.LessOrEqual(t, transaction.Refunded, max(0, transaction.Money.Paid))
	})
}
