// Package creem speaks to Creem, who sells for us: checkouts, subscriptions, transactions and refunds, and the webhooks that tell of them.
//
// What must stay true:
//
//   - One call is one attempt, as internal/outbound has it. Creem promises no idempotency: a request_id sent twice may be two checkouts.
//   - An answer that leaves it open whether something was changed is [payments.Unknown]: none, half of one, one that makes no sense,
//     a 5xx. Of a call that may be repeated it is [payments.Transient].
//   - An answer is about what was asked for: one with another id is none. A list without items is no list, and its end is what its
//     pages say, never a short page: Creem may cap their size.
//   - The decoder is lenient in form and strict in content: a thing by its id or whole, a time as text or in milliseconds, names
//     and statuses that are not known. What is no time, no amount or no id is not guessed.
//   - The key goes to the configured URL alone. Redirects are not followed.
//   - No error text has a person, an address, an id or anything that Creem wrote: only statuses and words of ours.
//   - A webhook is taken if one of our secrets signed it and it is of our environment, and is a hint even then.
//   - A person is sent to pages by https alone, but for a loopback host in development.
//
// Facts are from Creem's documentation (docs.creem.io: checkouts, subscriptions, refunds, webhooks, the pull feed of `creem listen`;
// read 2026-11), the sources of its npm client creem 1.13.0, which its live OpenAPI generates, and armitage-labs/creem, #166 (retries
// of webhooks). Not documented, so not relied upon: the order of lists, the largest page, how long a checkout stays open.
package creem
