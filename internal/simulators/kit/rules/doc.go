// Package rules spoils the next calls to a simulator as a test says: refused, held, cut before they act or
// after, with a reply that is broken in one of many ways.
//
// Each rule is of one of the two kinds that a caller must stand: it failed and did not happen, or it failed
// but did happen. Waiting is in real time, not by the simulator's clock: a caller that is held has its own
// deadline. All of it is guarded by the simulator's own lock.
package rules
