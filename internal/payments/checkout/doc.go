// Package checkout sells: it makes the page on which a person pays, and says what became of it.
//
// # Invariants
//
//   - Our row comes first, and says how the call of the vendor ended. One whose call was interrupted stays "creating", has no address that a
//     person could pay at, and expires within minutes.
//   - What is refused leaves no row and calls no vendor.
//   - A person has at most one open checkout of a plan, and none while they have a subscription: they would pay twice.
//   - A call whose outcome is unknown is made once more: a checkout whose address was never seen is never paid.
//   - Nothing of what was bought comes from here. It comes from the books, whose look is asked for.
package checkout
