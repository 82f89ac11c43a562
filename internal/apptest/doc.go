// Package apptest runs the whole product for tests: api, workers and scheduler, with the real
// Postgres, Redis, S3 and sign-in service and simulators of the image provider and of who sells.
// Processes run in the test's own process, or as the binaries where a test kills them.
package apptest
