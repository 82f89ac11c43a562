// Package proxy passes /api/auth/* on to the Better Auth service, so that a browser sees one origin
// and the service can stay on loopback.
//
// Invariants:
//   - Only the pairs of method and path in routes.go pass, and the path sent on is the one written
//     there, never the client's spelling of it. Everything else does not exist.
//   - Of the request's headers only those in routes.go pass. The client's address is ours to say:
//     [ClientAddressHeader] is set on every request, and nothing like it passes.
//   - Whose session a request is, the service and the api judge by the same header or cookie.
//   - A request is read whole, at most [MaxBody] bytes, before the service hears of it, so a slow or
//     endless sender costs the service nothing.
//   - The service reads what we judged: a query of the one spelling, a body of JSON written anew. No text in them has
//     a control character, and none that is a place to go to leads elsewhere; nor does a Location that comes back.
//   - Answers about an address come in steps of time, so that they do not tell whether it has an account.
//   - A try of a password counts for its account and a mail for its recipient, whatever address it comes from and whether or
//     not there is such an account; the pause grows. Addresses are counted by digests. A device from which its owner
//     signed in, or reset the password, counts by itself, so no other device makes it wait.
//   - The link of a verification mail opens a page of ours; only the button on it, a POST, asks the service to verify.
//   - A request is sent on at most once. When the service cannot be asked, or answers 5xx, the
//     caller gets one problem with status 503.
package proxy
