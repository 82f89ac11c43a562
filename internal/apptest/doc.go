// Package apptest runs the whole product for tests: api, workers and scheduler, with the real
// Postgres, Redis, S3 and sign-in service and a simulator of the image provider. Processes run
// in the test's own process, or as the binaries where a test kills them.
package apptest
