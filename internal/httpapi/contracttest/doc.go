// Package contracttest takes the contract as a customer does: fetched from the product, given to the generators
// and linters that people use, and what they make of it used against the product. These are oapi-codegen, of
// tools/go.mod, and those of the two package.json here.
package contracttest
