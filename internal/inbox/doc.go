// Package inbox takes in the webhooks that vendors send: each is verified, kept once, and worked by a job.
//
// A vendor is a source: a [Verifier] in the processes that take its webhooks, a [Handler] in those that work them. Its webhooks
// come to the source's [Inbox.Endpoint].
//
// # Invariants
//
//   - A vendor is answered 200 when its event and the job that works it are committed, and not before. What may not have been
//     committed is answered by an error, so that it is sent again; what is sent again, ever so often or at once, is one event.
//   - What is forged, cut off or too large leaves no row.
//   - What an event causes, its mark and the end of its job are one transaction. A handler calls no vendor: what takes time is a job
//     that it stages.
//   - An event of a type that no handler knows is kept and ignored. An operator may have it worked by a later release.
//   - Bodies, which may name people, go after 30 days at most, worked or not; that an event came is known for a year.
package inbox
