// Package refunds gives money back: by the vendor, or by a person where the vendor cannot.
//
// # Invariants
//
//   - What is asked for in one request is asked for once, and all requests of an order together never exceed what was paid.
//   - The vendor's API returns whole payments alone. Anything else is by hand: an open difference tells a person to do it.
//   - A refund that may have happened is never sent again. The payment is read until it shows, and after some hours a person looks.
//   - That money is back is what the books see of the vendor: each end of a refund stages a look.
package refunds
