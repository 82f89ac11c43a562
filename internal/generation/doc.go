// Package generation takes a request for images to its result.
//
// # Words
//
// A generation (table ai_task) is what a user asked for. It waits until it is admitted to a
// slot, is handed to a provider as an attempt (provider_attempt), and yields images (ai_image)
// which are stored in the bucket. Every change is an event (generation_event).
//
//	queued ──▶ submitting ──▶ running ──▶ storing ──▶ succeeded | partial | blocked | failed
//	              ▲              │
//	              └── again ─────┘           from each: ──▶ canceled | expired | failed
//
// # Phases
//
// This package has the words: types, faults, sentences for people. What is done is in the packages below it, a phase each,
// with its own invariants; each changes the row by task alone.
//
//   - intake accepts one, many, or one more time; it says before what that costs.
//   - admission says whose turn it is (fairqueue), when (estimate), and whose time is up.
//   - attempt is one call of a provider: handed over, followed, stored, called off. breaker keeps it from what fails in a row.
//   - task is the row: locked, changed, ended, paid for.
//   - history shows what became of it; erasure takes it away everywhere; bills compares what the provider charged.
//   - catalogue has the models, as data. phases puts all of them together, for callers from outside.
//
// # Invariants of all phases
//
//   - What a change costs is booked in its transaction: accepted, the most that it may cost is held;
//     each image that is stored is captured, at the price of who made it as it was at acceptance;
//     whatever is terminal holds nothing.
//   - Locks are taken in one order: the task's row before any other, then its attempts', its jobs' and
//     its user's, and last of all the user's balance. A job is locked without its task only alone, and as the
//     last thing of a transaction. Who holds a user's row, on which the changes of one user take turns, waits
//     for no other task and, of users, only for one with a larger id.
//   - Events are numbered per user without a gap in the order of their commits: a watcher who has
//     seen a number has seen everything before it, or is told that it was deleted.
//   - A cancel, or a deletion, ends a task that has no open attempt. One that has may be worked on by its provider: it is
//     asked to stop by its collector, and goes on until the provider has stopped or finished it, or its deadline has
//     come. Until then it keeps its slot and its hold, and what is deleted is only hidden.
//   - No user is answered about the generation of another: the owner is in every query.
package generation
