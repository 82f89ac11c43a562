// Package credits is the ledger: who has how many credits, and why.
//
// # Words
//
// A grant is credits that came at once: bought, part of a plan, a gift. A hold sets credits aside
// for one generation, on one or more grants (its allocations). Each delivered image captures its
// price; what is left when the generation ends is released. An entry (ledger_txn) is one step of
// one person's ledger, with postings that sum to zero. A subject is the random name under which the
// ledger knows a person; only the row that leads from the account to it is ever erased.
//
// Credits are whole numbers. Every verb takes the caller's transaction, so that a change of state and
// what it costs are one. Doing a verb again changes nothing: its business key is unique.
//
//	hold:<task>  capture:<task>:<image>  release:<task>  grant:<reference>  expire:<grant>
//	clawback:<event>  refund:<request>
//
// What follows from a verb in the same transaction has the verb's key and a word behind it, such as
// release:<task>+void; what is given anew names the grant, too: release:<task>+compensation:<grant>.
//
// # Rules
//
//   - A verb that changes a ledger locks its balance (user_credit) first, and nothing of another subject's.
//   - Grants are spent by priority (compensation, gifts, plan, bought), then by expiry with those
//     that never expire last, then oldest first. A grant is expired at its expiry, not after it.
//   - The ledger never waits for the expiry job: a verb books what is due before it does its own.
//   - What is held survives its grant's expiry. Released after it, it expires, and the same number is
//     granted anew for 72 hours: no user loses credits because a generation did not work out. But nothing
//     lasts longer than seven days past the expiry with which it first came, however often it is held:
//     no user keeps credits alive by holding them.
//   - A payment that is refunded or disputed voids what is left of its grant. What was used of it is
//     debt. What is held is voided when released, and becomes debt when captured.
//   - Debt is paid from whatever else is or becomes available, at once. So no order in which
//     payments, refunds and disputes arrive makes a difference, and no subject has credits and debt.
//   - A refund of an image is a grant of its own, which expires no earlier than what was spent.
//   - Welcome credits come once for each verified address, for ever.
//
// # Invariants
//
// [Audit] verifies them from the database; the constraints and triggers of the migrations make most
// of them impossible to break.
//
//	I1   every entry's postings sum to zero
//	I2   so do all postings together, and each grant's parts are what its postings come to
//	I3   remaining + held + captured + expired + voided = amount, for every grant
//	I4   none of them is negative
//	I5   no subject has debt and available credits at once; neither is negative
//	I6   a closed hold has captured + released = amount, and its allocations say the same
//	I7   an image is captured at most once, and is one that was stored
//	I8   a generation that failed, was blocked or expired cost nothing
//	I9   every grant and every hold was booked once
//	I10  a balance is its grants less what was spent, expired and taken back: order plays no part
//	I11  no hold was made beyond what was available
//	I12  a grant expires once, and never before its time
//	I13  the balance is the fold of the postings, after each entry and now
//	I14  refunds of a generation are at most what it cost
//	I15  a hold stands on the grants that were next to be spent when it was made
//	I16  the ledger has no column that says who a subject is
//	I17  a generation that ended holds nothing, and the reaper is not behind
//	I18  what was given anew lasts 72 hours at most, and no longer than seven days past its first expiry
package credits
