// Package subscriptions shows people their subscriptions, and has the vendor change, cancel and resume them.
//
// # Words
//
// An upgrade is to a plan of a higher rank, or from the month to the year of the same. It takes effect at once: the vendor charges the
// difference. Any other change is a downgrade: billed from the next payment on, while what was paid for stays until its end.
//
// # Invariants
//
//   - A change gives what was told before it was asked for, or is told anew: it is computed in one place, and written down before the
//     vendor is called.
//   - The vendor is called once for each request. Whatever it answers, a look follows that brings the books up to it: here alone nothing of
//     a subscription is written but what its owner asked for.
//   - Of one subscription one change at a time is under way, so that no two of them charge the same difference.
package subscriptions
