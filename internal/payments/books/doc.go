// Package books keeps what was paid, and gives what was paid for: credits by the ledger, plans by package user.
//
// # How it works
//
// A webhook is a hint ([Books.HandleEvent]): it notes that something is to be looked at and stages the look. A look (checkout.go,
// subscription.go, order.go) reads what the vendor says now, outside of any transaction, and then in one transaction brings the rows up to
// it, gives and takes what follows, and ends its job. A hint that came while a look was reading makes the look be done again.
// Settling (settle.go) does what only time brings: the credits of the next month of a year, the end of a plan.
//
// # Invariants
//
//   - Everything that is given or taken follows from the rows alone, and is given or taken once by its reference in the ledger:
//     creem:<order> for a pack, sub:<subscription>:<month> for a month of a period, sub:<subscription>:change:<id> for a change.
//   - What is known of a payment only grows: what was refunded is never less, a dispute never undone, a canceled subscription never alive.
//   - Of what an order gave, as large a part is taken back as was refunded of what was paid for it; all of it, when it is disputed.
//   - Locks are taken in this order: job, checkout, subscription, order, plan, user, balance.
package books
