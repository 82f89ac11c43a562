// Package api holds the HTTP contract, written by hand: the documentation that users read, what
// every request is checked against, and the source of the server's types.
package api

import _ "embed"

// Spec is the OpenAPI 3.1 document, as served at /openapi.yaml.
//
//go:embed openapi.yaml
var Spec []byte
