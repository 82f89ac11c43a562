// Package kit is what every simulator of a vendor is made of: a clock that a control call can move, a log of
// the calls, rules and chaos that spoil them, deliveries of webhooks, the control surface with its page, the
// seeded numbers, and the check of the caller's key.
//
// A vendor's simulator embeds a [*Kit], serves its operations through [Kit.On], and tells the kit about itself
// in a [Vendor]. One lock guards both: the vendor's, which [New] is given as sync.NewCond is. A method whose
// doc says so is called with it held; all others take it themselves.
//
// Everything is in memory, bounded and lost on restart. The parts are packages of their own, below this one.
package kit
