// Package httpapi is the HTTP edge: the contract in api/openapi.yaml, served.
//
// routes.go lists every route. A request passes, in this order: request id, log line, metrics and
// the catch of panics (edge.go); the mux, whose own 404 and 405 become problems; who is calling,
// how often (ratelimit.go) and whether they may (access.go); the contract (body.go, contract.go); then a handler, one file
// for each resource. Handlers translate and decide nothing.
//
// Invariants:
//   - Every refusal is a problem document, made by one function (problem.go), with a code from the
//     closed list in docs/errors.md. It never repeats a value that was sent.
//   - A request that the contract refuses reaches no service.
//   - The owner is part of every call of a service: another user's id is an absent one.
//   - Log lines and metric labels hold route patterns and ids; no path, query, header or body.
//   - Our own work on a request is over after [answerTime], and what did not answer us is named. What lasts gives
//     each of its calls that time.
//   - A connection that waits or streams ends when the process stops, and never blocks it.
//
// Generated types (oapi.gen.go) do not leave this package.
package httpapi

//go:generate ../../.imagerun/bin/oapi-codegen -config oapi.yaml ../../api/openapi.yaml
//go:generate gofmt -w -r "json.NewEncoder(&buf).Encode(a) -> encodeJSON(json.NewEncoder(&buf), a)" oapi.gen.go
