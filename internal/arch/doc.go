// Package arch has no code of its own. Its test holds the rule of who may import whom: read
// table_test.go, which is the rule, before adding a package.
package arch
