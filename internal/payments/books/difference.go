package books

import "slices"

// DifferenceKind is how our books and the vendor's differed.
type DifferenceKind string

// The kinds. Those of the first group were repaired by the look that found them: a webhook was lost. The others need a person.
const (
	MissedPayment DifferenceKind = "missed_payment" // it was paid, and gave nothing yet
	MissedRefund  DifferenceKind = "missed_refund"  // it was paid back, and what it gave was not taken
	MissedDispute DifferenceKind = "missed_dispute"
	MissedStatus  DifferenceKind = "missed_status" // a subscription is not as we knew it
	MissedEnd     DifferenceKind = "missed_end"    // a checkout ended

	UnknownPayment DifferenceKind = "unknown_payment" // the vendor has a payment that leads to no person of ours
	UnknownProduct DifferenceKind = "unknown_product" // something was paid that we do not sell
	UnknownOwner   DifferenceKind = "unknown_owner"   // a subscription that leads to no person of ours
	NotAtVendor    DifferenceKind = "not_at_vendor"   // the vendor does not know what we know
	RefundByHand   DifferenceKind = "refund_by_hand"  // money to give back that the vendor's API cannot
	RefundRefused  DifferenceKind = "refund_refused"
	CancelRefused  DifferenceKind = "cancel_refused" // a subscription that was withdrawn from goes on there
)

// differenceKinds lists them.
func differenceKinds() []DifferenceKind {
	return append([]DifferenceKind{MissedPayment, MissedRefund, MissedDispute, MissedStatus, MissedEnd}, OpenKinds()...)
}

// OpenKinds are those that need a person.
func OpenKinds() []DifferenceKind {
	return []DifferenceKind{UnknownPayment, UnknownProduct, UnknownOwner, NotAtVendor, RefundByHand, RefundRefused, CancelRefused}
}

// DifferenceStatus is what became of a difference.
type DifferenceStatus string

// The statuses.
const (
	DifferenceRepaired DifferenceStatus = "repaired"
	DifferenceOpen     DifferenceStatus = "open" // a person must look at it
	DifferenceSettled  DifferenceStatus = "settled"
)

// Difference is one place where our books and the vendor's differed.
type Difference struct {
	Kind    DifferenceKind
	About   string // the id of ours or of the vendor's that it is about
	Credits int64  // that were given or taken, with their sign
}

func (d Difference) status() DifferenceStatus {
	if slices.Contains(OpenKinds(), d.Kind) {
		return DifferenceOpen
	}

	return DifferenceRepaired
}
