// Package app builds the processes out of their parts, runs them and stops them.
//
// Nothing starts until everything is built, and building dials no server: a process whose database
// or Redis is away starts, is not ready, and says why. Stopping goes in one order, written down
// in each Run function: first it takes nothing new, then what is in hand ends, then the loops
// that carried it, and the stores last.
//
// A process is stopped by its context. It returns an error only when it could not start or one
// of its parts ended by itself.
package app
