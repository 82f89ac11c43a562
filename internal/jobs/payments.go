package jobs

import "github.com/google/uuid"

// LookAtCheckout brings the books up to what the vendor says of a checkout. One live job for each.
type LookAtCheckout struct {
	CheckoutID uuid.UUID `json:"checkout_id"`
	// Reconcile says that no webhook was the reason: what the look finds is a difference.
	Reconcile bool `json:"reconcile"`
}

// Kind implements [queue.Args].
func (LookAtCheckout) Kind() string { return "payments.look_at_checkout" }

// LookAtSubscription does so for a subscription and all its payments.
type LookAtSubscription struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
	Reconcile      bool      `json:"reconcile"`
}

// Kind implements [queue.Args].
func (LookAtSubscription) Kind() string { return "payments.look_at_subscription" }

// LookAtOrder does so for the payment of a pack.
type LookAtOrder struct {
	OrderID   uuid.UUID `json:"order_id"`
	Reconcile bool      `json:"reconcile"`
}

// Kind implements [queue.Args].
func (LookAtOrder) Kind() string { return "payments.look_at_order" }

// RefundOrder has the vendor give money back, once.
type RefundOrder struct {
	RefundID uuid.UUID `json:"refund_id"`
}

// Kind implements [queue.Args].
func (RefundOrder) Kind() string { return "payments.refund_order" }

// SettlePayments gives the credits of months that have begun, and ends plans that are over. A schedule stages it.
type SettlePayments struct{}

// Kind implements [queue.Args].
func (SettlePayments) Kind() string { return "payments.settle" }

// ReconcilePayments compares our books with the vendor's. A schedule stages it.
type ReconcilePayments struct {
	// Whole reads the vendor's lists to their end; else until they are known.
	Whole bool `json:"whole"`
}

// Kind implements [queue.Args].
func (ReconcilePayments) Kind() string { return "payments.reconcile" }

// CancelSubscription has the vendor end a subscription with what was paid, because it was withdrawn from.
type CancelSubscription struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
}

// Kind implements [queue.Args].
func (CancelSubscription) Kind() string { return "payments.cancel_subscription" }
