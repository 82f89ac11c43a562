package creem

import (
	"cmp"
	"encoding/json"
	"errors"

	"imagerun/internal/inbox"
	"imagerun/internal/payments"
)

// Why an event that should be about money leads nowhere.
var (
	errHintBody  = errors.New("event of the payment vendor makes no sense")
	errHintEmpty = errors.New("event of the payment vendor names nothing to look at")
)

// hintObject is an event's object, as far as it says where to look.
type hintObject struct {
	identity

	Status            string          `json:"status"`
	RequestID         string          `json:"request_id"`
	Metadata          metadata        `json:"metadata"`
	LastTransactionID string          `json:"last_transaction_id"`
	Checkout          union[hintPart] `json:"checkout"`
	Order             union[hintPart] `json:"order"`
	Subscription      union[hintPart] `json:"subscription"`
	Transaction       union[hintPart] `json:"transaction"`
}

// hintPart is what such an object has in it.
type hintPart struct {
	RequestID    string          `json:"request_id"`
	Metadata     metadata        `json:"metadata"`
	Order        union[struct{}] `json:"order"`
	Subscription union[struct{}] `json:"subscription"`
	Transaction  union[struct{}] `json:"transaction"`
}

// hintKind is what an event's object is.
type hintKind int

const (
	hintOther hintKind = iota
	hintCheckout
	hintSubscription
	hintRefund
	hintDispute
)

// EventTypes lists the types of events that Creem documents. https://docs.creem.io/code/webhooks
func EventTypes() []string {
	return []string{
		"checkout.completed", "refund.created", "dispute.created",
		"subscription.active", "subscription.trialing", "subscription.canceled", "subscription.scheduled_cancel", "subscription.paid",
		"subscription.expired", "subscription.unpaid", "subscription.update", "subscription.past_due", "subscription.paused",
		"customer_credits.exhausted", "credits.granted", "credits.consumed", "credits.auto_recharged",
	}
}

// classifyEvent sorts the types of events. https://docs.creem.io/code/webhooks
func classifyEvent(eventType string) hintKind {
	switch eventType {
	case "checkout.completed":
		return hintCheckout
	case "subscription.active", "subscription.trialing", "subscription.canceled", "subscription.scheduled_cancel", "subscription.paid",
		"subscription.expired", "subscription.unpaid", "subscription.update", "subscription.past_due", "subscription.paused":
		return hintSubscription
	case "refund.created":
		return hintRefund
	case "dispute.created":
		return hintDispute
	default:
		return hintOther
	}
}

// ParseHint says what an event is about. A type that is not about money is [inbox.ErrUnknownType], as is one that is not known.
func ParseHint(eventType string, body []byte) (payments.Hint, error) {
	kind := classifyEvent(eventType)
	if kind == hintOther {
		return payments.Hint{}, inbox.ErrUnknownType
	}

	var (
		e envelope
		o hintObject
	)

	if json.Unmarshal(body, &e) != nil || len(e.Object) == 0 || json.Unmarshal(e.Object, &o) != nil {
		return payments.Hint{}, errHintBody
	}

	hint := o.findNames()

	switch kind {
	case hintCheckout:
		hint.VendorCheckout = o.ID
	case hintSubscription:
		hint.SubscriptionID = o.ID
	default: // the id of a refund or a dispute leads nowhere
	}

	if hint == (payments.Hint{}) {
		return payments.Hint{}, errHintEmpty
	}

	status := normalizeWord(o.Status)
	hint.RefundPending = kind == hintRefund && (status == "pending" || status == "requiresaction")

	return hint, nil
}

// findNames collects the ids of what the object has in it.
func (o hintObject) findNames() payments.Hint {
	checkout, order := o.Checkout.getWhole(), o.Order.getWhole()
	subscription, transaction := o.Subscription.getWhole(), o.Transaction.getWhole()

	return payments.Hint{
		CheckoutID: cmp.Or(
			o.Metadata.CheckoutID, toCheckoutID(o.RequestID),
			checkout.Metadata.CheckoutID, toCheckoutID(checkout.RequestID), subscription.Metadata.CheckoutID,
		),
		VendorCheckout: o.Checkout.ID,
		SubscriptionID: cmp.Or(o.Subscription.ID, transaction.Subscription.ID, checkout.Subscription.ID),
		OrderID:        cmp.Or(o.Order.ID, transaction.Order.ID, checkout.Order.ID),
		TransactionID:  cmp.Or(o.Transaction.ID, order.Transaction.ID, o.LastTransactionID),
	}
}
