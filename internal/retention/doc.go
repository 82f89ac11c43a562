// Package retention deletes what the product promised to keep no longer.
//
// A [Class] is one kind of data. Its domain says where it is kept and how it goes; app gathers the classes of all domains, and
// a [Purger] works the jobs that delete what is over. What is done with one person's data on request, erasure and export, will be
// said by the class too, in a field each.
//
// # Invariants
//
//   - A column whose comment promises a time is in a class with this time, and a class names no column that is not there
//     (apptest: TestRetention).
//   - There is one kind of job for each [Cadence], whatever there is to delete. How far it has come is told by the rows that are
//     left: one that is stopped, or begun twice, goes on from there.
//   - A class that fails, hangs or panics keeps no other from being purged. It fails the job, which is tried again.
package retention
