package durable

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// keeper is a transaction that sends statements without an answer together with its next statement, or with its
// commit, and tells of its commit. postgres.InTx's is one.
type keeper interface {
	pgx.Tx
	queue.AfterCommitter

	Keep(explain func(error) error, sql string, args ...any)
}

// keepingTx executes by keeping.
type keepingTx struct {
	keeper

	explain func(error) error
}

// Exec implements [db.DBTX].
func (k keepingTx) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	k.Keep(k.explain, sql, args...)

	return pgconn.CommandTag{}, nil
}

// keepStatements returns what keeps the statements that it executes, if tx can, and has explain make of their errors
// what tx reports. Any other transaction executes them at once, and the errors are as they are.
func keepStatements(tx pgx.Tx, explain func(error) error) db.DBTX {
	if k, ok := tx.(keeper); ok {
		return keepingTx{k, explain}
	}

	return tx
}

// notHeld is the SQLSTATE of job_complete for a job that its caller does not hold.
const notHeld = "JB001"

// explainStale makes [queue.ErrStale] of what job_complete fails with.
func explainStale(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == notHeld {
		return queue.ErrStale
	}

	return err
}
