// Package deliveries sends a simulator's webhooks: signed as the vendor signs, tried again by the vendor's
// own schedule on the simulator's clock, and lost, doubled, late or falsified when a test or chaos wants it.
//
// A try is made in the background, at most some at a time. What has become of each delivery is kept, for
// tests and for the control surface.
package deliveries
