// Package outbound is how a vendor is called over HTTP: what every client of one needs, and nothing that only one does.
//
// What must stay true:
//
//   - One call is one attempt. Nothing is sent twice here; whether to try again is the job's business, which knows what a
//     second time would do. (net/http alone repeats what it may when an idle connection turns out to be closed: a GET, and
//     a request with an Idempotency-Key, which the vendor promises to carry out once.)
//   - A call without a complete answer says whether it was [Sent]. What may have happened is never called a failure.
//   - No error has a URL, a query, a header or a body in its text: only words of ours, statuses, and what of a vendor's
//     words [IsWord].
//   - A call ends in time, and its reply is never larger than was asked for. Redirects are not followed, proxies not used.
//   - An address that a caller or a vendor chose is called by a client with [Options].PublicOnly, which judges each address
//     after its name was resolved, just before it is dialled.
//
// An [Error] is no fault of internal/fault, so no edge shows it by mistake: it speaks of us and the vendor, and the domain
// decides what its caller hears.
package outbound
