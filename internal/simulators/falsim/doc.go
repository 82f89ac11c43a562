// Package falsim imitates fal.ai: the queue, the webhooks with their keys, the platform API
// and the files of the results, well enough that a client written for fal needs no change.
//
// It was written from fal's public documentation (Queue API, webhooks, errors, platform API and
// model pages, read 2026-11) and shares no code with our client, so that two readings of the
// documentation check each other. README.md lists what it imitates, what it does not, and how
// to make it misbehave.
//
// Everything is in memory, bounded and lost on restart. What is not fal's alone is the kit's: the clock,
// rules, chaos, deliveries, the log and the control surface.
package falsim
