// Package creemsim imitates Creem, the payment service: products, the hosted checkout, orders and transactions,
// subscriptions that renew, refunds and disputes, and the webhooks that tell of all of it, well enough that a
// client written for Creem needs no change.
//
// It was written from Creem's public documentation (API reference, webhooks, return URLs, moderation, read
// 2026-11) and from what its own SDK, creem 1.13.0, insists on, and shares no code with our client, so that two
// readings of the documentation check each other. README.md lists what it imitates, what it does not, and how to
// make it misbehave.
//
// Everything is in memory and lost on restart. Subscriptions live on the simulator's clock: moved ahead by months,
// they renew, fail and end each at its own hour, in order. What is not Creem's alone is the kit's.
package creemsim
