// Package asynqueue is the Redis side of jobs: asynq's keys carry tasks to workers, and its dashboard
// shows them. It is the only importer of asynq.
//
// asynq is used so that what it loses, doubles or delays cannot matter: a task is a name
// (id:epoch) and nothing else, asynq counts no attempts and decides nothing, and Postgres is
// written before Redis is told. Notes at the places in question say which behaviour of asynq
// 0.26 each is for.
//
// The idea: a task goes through four hands, and each does for many in one round trip what it could do for one.
//
//   - [Pusher] pushes what has queued up, in asynq's own encoding.
//   - A hand (hand.go, wait.go) takes tasks of a group: as many as there are slots for, or, when all queues are
//     empty, the next that comes, for which it waits in Redis.
//   - The runner (queue/durable) claims what was taken, calls handlers, and says what became of each.
//   - The tasks in hand (tasks.go) tell Redis of those that are done. Only what lasts, comes back or is dead
//     becomes asynq's (adopt.go): its server keeps the lease, shows it, and moves it to where it waits.
//
// Invariants:
//
//   - A task that was taken is in asynq's active list until Redis was told of its end: a worker that dies
//     leaves it there, where the reconciler looks.
//   - What is private to asynq, its keys and how tasks move between them, is in format.go and nowhere else.
//   - asynq's processor takes no task by itself.
//
// docs/queue.md follows one job through all of it. All objects of asynq's are built over one client of ours
// ([Connect]): asynq's own options know neither deadlines nor pool sizes.
package asynqueue
