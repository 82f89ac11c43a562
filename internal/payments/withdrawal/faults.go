package withdrawal

import "imagerun/internal/fault"

var (
	// ErrNotFound says that there is no such order, or that it is another person's.
	ErrNotFound = fault.New(fault.NotFound, "not_found", "You have no such order.")
	// ErrOff says that no withdrawal is taken here.
	ErrOff = fault.New(fault.Conflict, "withdrawal_off", "Withdrawals are not taken here. Write to our support.")
	// ErrTooLate says that the time to withdraw is over.
	ErrTooLate = fault.New(fault.Conflict, "withdrawal_too_late", "The time to withdraw from this order is over.")
	// ErrWithdrawn says that it was done.
	ErrWithdrawn = fault.New(fault.Conflict, "withdrawal_declared", "The withdrawal from this order was declared already.")
	// ErrRefunded says that money of the order was paid back, or is about to be.
	ErrRefunded = fault.New(fault.Conflict, "order_refunded", "Money of this order was paid back already, or is on its way. Write to our support about the rest.")
	// ErrDisputed says that the bank decides about the order.
	ErrDisputed = fault.New(fault.Conflict, "order_disputed", "This payment was disputed at the bank, which decides about it.")
	// ErrUsedUp says that nothing is left to return.
	ErrUsedUp = fault.New(fault.Conflict, "withdrawal_used_up",
		"All credits of this order were used, and it was agreed that they came at once: there is nothing to return.")
	// ErrNotReady says that it is not known yet what was bought.
	ErrNotReady = fault.New(fault.Conflict, "order_not_ready", "This order is not complete yet. Try again in some minutes.")
	// ErrChanged says that the token is of no offer that stands.
	ErrChanged = fault.New(fault.Conflict, "withdrawal_changed", "What the withdrawal returns has changed since it was shown. Look at it again, and confirm that; nothing was done.")
)
