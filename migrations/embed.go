// Package migrations holds the schema: one file for each table or set of tables, owned by one
// package. Every text, json, bytea and inet column carries COMMENT ON COLUMN … IS
// 'erase: <rule>', which says how its content goes when a person asks or its time has come.
package migrations

import "embed"

// FS holds the goose migrations.
//
//go:embed 0*.sql
var FS embed.FS
