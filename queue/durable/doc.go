// Package durable is the Postgres side of jobs: it stages them in the caller's transaction,
// sees to it that they are pushed, lets one worker at a time hold each, and takes them back from
// workers that died. It knows nothing of what the jobs do, and of the engine that carries them to
// the workers only what [Pusher] says.
//
// Invariants:
//
//   - Postgres is the truth. The engine may lose, double, delay or reorder tasks as it likes;
//     a task is only a hint to look at a row.
//   - A row is claimed by compare-and-set on (id, epoch) under a new random holder, and every
//     later write of that claim tests the holder. A worker that lost the lease can write nothing.
//   - Whoever replaces a push raises the epoch, so the older task is a duplicate from then on.
//   - No row lock is held while talking to the engine.
//   - Attempts count failures. Snoozes, lost leases, shutdowns and outages of Postgres or of the
//     engine spend none.
//   - What many ask for at the same time is one statement: claims of tasks that came together, ends of
//     handlers that returned nil, marks. A statement that can wait for its answer rides with the commit.
//   - Nothing is dropped: a job ends by Complete or by a handler's nil, or it stays as dead.
//
// Parts: [Queue.Stage] and [Queue.Wake] in transactions; [Queue.Run] in every process that stages;
// [Queue.Maintain] in every scheduler (relay, sweeper, reconciler; any number may run); [Runner]
// in every worker, with [Slots] for each group of queues. docs/queue.md follows one job through all of it.
package durable
