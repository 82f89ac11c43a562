package subscriptions

import "imagerun/internal/fault"

var (
	// ErrNotFound says that there is no such subscription, or that it is another person's.
	ErrNotFound = fault.New(fault.NotFound, "not_found", "You have no such subscription.")
	// ErrNoCustomer says that there is no page of the vendor's for a person.
	ErrNoCustomer = fault.New(fault.NotFound, "not_found", "There is nothing to manage at the payment provider under the address of your account: it begins with the first payment of a plan.")

	// ErrProduct says that a product is none that a subscription can be changed to; its fields say why.
	ErrProduct = fault.New(fault.Invalid, "validation_failed", "The plan cannot be changed to this. See errors for what to choose; nothing was changed.")

	// ErrEnded says that a subscription is over.
	ErrEnded = fault.New(fault.Conflict, "subscription_ended", "This subscription has ended. Subscribe anew to have a plan again.")
	// ErrCanceled says that a subscription ends with what was paid.
	ErrCanceled = fault.New(fault.Conflict, "subscription_canceled", "This subscription is canceled and ends with what was paid. Resume it first; nothing was changed.")
	// ErrUnpaid says that the last payment did not work.
	ErrUnpaid = fault.New(fault.Conflict, "subscription_unpaid", "The last payment of this subscription did not work. Pay it in the billing portal first; nothing was changed.")
	// ErrNotReady says that it is not known yet what a subscription is, or that it is paused.
	ErrNotReady = fault.New(fault.Conflict, "subscription_not_ready", "This subscription is not active at the moment. Try again when its status is active; nothing was changed.")
	// ErrChanging says that another change is under way.
	ErrChanging = fault.New(fault.Conflict, "subscription_changing", "Another change of this subscription is under way. Wait until it shows; nothing was changed.")
	// ErrChangeBack says that a change for the next payment stands in the way of one at once, which the vendor would charge too much for.
	ErrChangeBack = fault.New(fault.Conflict, "subscription_changed",
		"The plan was changed for the next payment already. Change it back to what is paid for now, which costs nothing, and then upgrade; nothing was changed.")

	// ErrPaymentRefused says that the vendor did not get the difference of an upgrade.
	ErrPaymentRefused = fault.New(fault.Payment, "payment_refused", "The payment was refused; nothing changed. Check the card in the billing portal, and try again.")
	// ErrRefused says that the vendor refused something that costs nothing.
	ErrRefused = fault.New(fault.Conflict, "subscription_refused", "The payment provider refused this; nothing changed. Read the subscription again: it may have ended meanwhile.")
	// ErrUnavailable says that the vendor did not do what it was asked for.
	ErrUnavailable = fault.New(fault.Unavailable, "payments_unavailable", "The payment provider is not available at the moment; nothing changed. Try again in a minute.")
	// ErrUnclear says that the vendor may have done it.
	ErrUnclear = fault.New(fault.Unavailable, "payment_unclear",
		"The payment provider did not answer in time, so that it is not known yet whether this happened. The subscription will show it within some minutes: wait for that, and do not send it again.")
)
