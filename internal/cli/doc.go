// Package cli is what every group of operators' commands needs: settings and a connection to the database, one operator and
// what was decided, names of things, tables and JSON, and how a command ends. A group is a folder of cmd/imagerun.
//
//   - What was called wrongly is an error of [Misuse], and everything that is wrong is said at once.
//   - What is for people is a table or a sentence; what is for programs is the same in JSON (--json).
//   - What an operator decides is carried out once for each request, in one transaction with the record of it ([Decision]).
package cli
