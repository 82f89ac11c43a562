// Package sweep compares the bucket with the tables that own its objects, in both directions.
//
// # What it finds
//
//   - An object that no row names, or whose row wants none any more, is an orphan: it is deleted.
//   - A row whose object is gone is a loss: the row is marked, so that people are told instead of
//     being given a dead link, and the operators are alarmed. Should the object come back, the
//     mark goes.
//   - An object under a key that no table makes is foreign: it is reported and left alone.
//   - An upload in parts that was never ended is aborted.
//
// # Invariants
//
//   - Nothing is decided by one look. The listing and the rows are read at different times, so
//     the row is read again, by its key, right before an object is deleted, and the object is
//     asked for, and then the row read again, before it is called lost.
//   - Nothing is deleted on the evidence of a page that was not read to its end: any error ends
//     the step before it acts.
//   - An object younger than the grace is left alone. Rows are committed before their objects
//     are put, so the grace is a second line of defence and not the first.
//   - A sweep that finds far more wrong than right stops before it acts: it is more likely that
//     it looks at the wrong bucket or database ([ErrImplausible]).
//   - It holds one page of each side in memory, whatever the bucket's size. What it has done so
//     far is a key: it can stop after any page, and go on elsewhere.
//   - Any number of sweeps may run at once. They do the same work twice and no harm.
package sweep
