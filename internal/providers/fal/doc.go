// Package fal speaks to fal.ai: the queue API to have images made, the platform API to find
// and erase requests, the file hosts for the results, and the signed webhooks that come back.
//
// What must stay true:
//
//   - One call is one attempt, as internal/outbound has it: a submit has no idempotency key and
//     each accepted one is billed.
//   - An answer that leaves it open whether a submit was accepted is [providers.Unknown], never
//     a failure: no reply, a cut reply, a reply that makes no sense, any 5xx. Only an error
//     before there was a connection, a 429 and a 4xx prove that nothing happened.
//   - The key goes to the configured queue and platform hosts and nowhere else. URLs that came
//     from fal are followed with it only if they lie below the configured queue URL, and are
//     built anew otherwise. Redirects are never followed.
//   - Files are fetched without the key, from allowed hosts only, whose names lead to public
//     addresses, up to a size, and not from a host that stalls.
//   - No error text has a prompt, a URL or anything that fal echoed: only statuses and the
//     types of fal's errors, which are words.
//   - A webhook is believed when one of fal's published keys signed it, for our account, now.
//     Those keys sign for all of fal's customers, so the account and the attempt's own token
//     in the callback's address are what ties it to us.
//
// Facts are from fal's documentation (queue, webhooks, errors, platform API; read 2026-11) and
// the sources of its JavaScript and Python clients (read 2026-08).
package fal
