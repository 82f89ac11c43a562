// Package queue is a library of durable jobs: what a program says of its kinds, their arguments and
// schedules, and how a handler is written. The Postgres side is queue/durable, the Redis side
// queue/asynqueue; neither is needed to write or to test a handler. It knows nothing of any product.
//
// # Words
//
//   - A job is work that is owed: a row of the table job, written in the transaction of the state
//     change that causes it and gone in the transaction of its effect.
//   - A kind is what jobs of one sort do ("generation.submit"): arguments, a [Policy], a [Handler].
//     A program has one table of them ([NewKinds]).
//   - To stage a job is to write its row; to push it is to tell Redis its name, so that a worker
//     that is free learns of it; to claim it is to become its only holder.
//   - A lease is how long a claim lasts without a heartbeat. A worker that lost it can write nothing more.
//   - An attempt is spent by a failure, and by nothing else. To snooze is to ask for another run
//     later without one; to wake is to have a job that waits run now.
//   - To cancel a job is to have the next worker that comes to it declare it dead: an operator does.
//   - A dead job failed for the last time, was given up by its handler, took three workers down or
//     was canceled by an operator. It is kept until an operator retries or removes it.
//   - The epoch names a push: a task in Redis is called id:epoch, and an older one is a duplicate.
//   - A key makes a job the only live one of its kind with that key.
//   - A [Group] is queues that share workers, by weight.
//   - A [Schedule] stages a job at each tick of a clock.
//
// # States
//
//	Stage
//	  ↓     push             claim                  Complete, or nil
//	staged ──────→ pushed ──────────→ running ──────────────────────→ (row gone)
//	  ↑                               │  │  │                             ↑
//	  ├─ lease lost, handed back ─────┘  │  └─ Cancel, last failure, ─→ dead
//	  │                                  │     third lease lost,        │  (an operator
//	  │                    Snooze, error │     an operator's cancel     │   removes it)
//	  ├─ woken ─── retrying ←────────────┘                              │
//	  │                └─ claim when due → running                      │
//	  └─ an operator retries ───────────────────────────────────────────┘
//
// Every arrow into staged raises the epoch, and so makes older tasks duplicates. A claim may come
// before the push is marked: it is as good from staged. A job due later than in five minutes
// stays staged until then.
//
// # Promises
//
// What may be relied on (docs/guarantees.md names the test of each line): a job exists if and
// only if its transaction committed; it is worked at least once, whatever dies; with
// [Job.Complete] its effects happen exactly once; a worker that lost its lease can write nothing.
//
// What a handler owes in return: it may be called again at any time before its job is complete,
// so it looks before it acts; it returns soon after its context ends; and its errors carry no
// personal value, since they are logged.
//
// Arguments are ids, integers, booleans, times and enums. [NewKinds] refuses anything else, so
// that no prompt, address, token or URL can be in Redis, in a log line or in the job table.
//
// How to add a kind is in docs/add-a-kind.md.
package queue
