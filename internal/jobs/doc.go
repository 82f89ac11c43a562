// Package jobs is the product's jobs, for package queue: its kinds with their arguments, a file a domain; how each kind is
// treated ([Kinds]), what stages them by the clock ([Schedules]), and which queues share workers ([Groups]). Handlers are in
// the domains.
//
// # Invariants
//
//   - Arguments are ids, numbers, times and closed words: package queue refuses a table that could hold a text.
//   - A payload that was staged is decoded by every later release: testdata has one of each kind.
//   - Every queue is in one group, and every schedule's kind is in the table.
package jobs
