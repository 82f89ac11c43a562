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
// # Invariants
//
//   - One function changes a status: [task.Tasks.Change]. It holds the task's row lock, compares
//     the sequence, and never leaves a terminal status. The status, its event and the jobs it
//     causes are one transaction.
//   - Locks are taken in one order: the task's row before any other, then its attempts', its jobs' and
//     its user's, and last of all the user's balance. A job is locked without its task only alone, and as the
//     last thing of a transaction. Who holds a user's row, on which the changes of one user take turns, waits
//     for no other task and, of users, only for one with a larger id.
//   - What a change costs is booked in its transaction: accepted, the most that it may cost is held;
//     each image that is stored is captured, at the price of who made it as it was at acceptance;
//     whatever is terminal holds nothing.
//   - Events are numbered per user without a gap in the order of their commits: a watcher who has
//     seen a number has seen everything before it, or is told that it was deleted.
//   - A cancel, or a deletion, ends a task that has no open attempt. One that has may be worked on by its provider: it is
//     asked to stop by its collector, and goes on until the provider has stopped or finished it, or its deadline has
//     come. Until then it keeps its slot and its hold, and what is deleted is only hidden.
//   - An attempt's row is committed before the provider is called: a call without a row cannot
//     be. While an attempt's outcome is unknown no other attempt is made.
//   - What becomes known of an attempt is written under the locks of its task and of its own row. A
//     request that becomes known when its attempt is over is called off and its copy erased; of an erased
//     generation's attempt a tombstone is kept for that, until the provider can have nothing of it.
//   - An image's row is committed before its objects are put, and the key is the row's: doing it
//     again overwrites itself, and an object without a row cannot be.
//   - A slot is counted from rows, so a crash leaks none.
//   - Turns are by weight, and nobody waits for ever: package turns says by whom, and how often, one
//     who waits may be passed. How far each user has got is a row (admission_turn), so that
//     it is the same whether one slot becomes free at a time or a hundred. A task that was given
//     back because its model fails keeps its place among its user's, and the turn is spent.
//   - What is in the background gets its user's turns when nothing else of theirs waits for one. It changes nobody else's turns,
//     and waits for as long as its user has others waiting, until its deadline at most.
//   - A place in the queue is the order in which admission goes, or not said.
//   - A worker never waits for a running image: the collect job snoozes, a callback wakes it.
//   - A generation past its deadline ends, whatever has become of its jobs. What one that has ended is still owed (an attempt
//     called off, a copy erased, all of it erased) begins anew when no job sees to it: a day after one that died, which may
//     have taken its workers down.
//   - Nobody is answered about a generation of somebody else: the owner is in every query.
package generation
