package generation

import (
	"github.com/google/uuid"

	"imagerun/internal/credits"
)

// Cancellation is what became of one of many to cancel.
type Cancellation string

// The ways that a cancel ends.
const (
	CancellationDone      Cancellation = "canceled"       // it has ended, now or before
	CancellationRequested Cancellation = "canceling"      // its provider may have begun, and is asked to stop
	CancellationTooLate   Cancellation = "not_cancelable" // it had ended in another way
	CancellationDeleted   Cancellation = "deleted"
	CancellationNotFound  Cancellation = "not_found" // there is no such generation of the user's
)

// CanceledWaiting is what became of those that waited.
type CanceledWaiting struct {
	IDs     []uuid.UUID
	HasMore bool // there are more that wait
}

// OperatorCancel is what became of a generation that an operator canceled.
type OperatorCancel struct {
	Changed   bool // false: it had ended as canceled, or had been asked to stop
	Status    Status
	Canceling bool         // its provider may have begun, and decides what becomes of it
	Returned  int64        // credits that returned with it
	Cost      credits.Cost // by now
}
