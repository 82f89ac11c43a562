// Package queue is what the rest of the program knows of durable jobs: their kinds, their
// arguments and how a handler is written. The Postgres side is queue/durable, the Redis side
// queue/asynqueue; neither is needed to write or to test a handler.
//
// A job is a row of the table job, written in the transaction of the state change that causes
// it. Redis only carries its name to a worker that is free:
//
//	Stage        push          claim          Complete, in the handler's own transaction
//	  → staged ───→ pushed ───→ running ───→ (row gone)
//	                  ↑          │   │ ╲
//	                  │          │   │   ╲ Cancel, or the last attempt failed
//	     lease lost ──┴──────────┘   ↓     ↘
//	     (new epoch)             retrying   dead
//	                          (Snooze, error)
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
package queue
