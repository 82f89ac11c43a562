package creem

import (
	"imagerun/internal/outbound"
	"imagerun/internal/payments"
)

// The decoder without a call, for who tries many answers.

// DecodeCheckout reads a checkout.
func DecodeCheckout(body []byte) (payments.Checkout, error) {
	return decode(body, checkout.toCheckout)
}

// DecodeSubscription reads a subscription.
func DecodeSubscription(body []byte) (payments.Subscription, error) {
	return decode(body, subscription.toSubscription)
}

// DecodeTransaction reads a transaction.
func DecodeTransaction(body []byte) (payments.Transaction, error) {
	return decode(body, transaction.toTransaction)
}

func decode[W, T any](body []byte, convert func(W) T) (out T, err error) {
	var got W
	if err := (outbound.Reply{Body: body}).Decode(&got); err != nil {
		return out, err
	}

	return convert(got), nil
}
