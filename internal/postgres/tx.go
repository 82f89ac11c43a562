package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/queue"
)

// Tx is a transaction that costs no round trip of its own: BEGIN goes out with its first statement, and
// COMMIT together with the statements kept for it ([Tx.Keep], [Later]). Until its first statement it has
// no connection; what is only kept is sent in one round trip. Not safe for concurrent use.
//
// What is kept is sent in its order and before whatever the transaction sends next, so everything happens
// as if each statement had been sent at once, but for an error: that comes from what is sent next, or from
// the commit.
type Tx struct {
	pgx.Tx // nil: not begun

	pool  Pool
	conn  *pgxpool.Conn // nil: not begun, or over
	kept  []keptStatement
	after []func()
	over  error // why nothing can be sent any more; nil: it can
}

type keptStatement struct {
	sql     string
	args    []any
	explain func(error) error // nil: the error is as it is
}

var _ queue.AfterCommitter = (*Tx)(nil)

// AfterCommit implements [queue.AfterCommitter]: f runs only if Commit returned nil.
func (t *Tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// Keep keeps a statement whose result is not waited for. Where it fails, explain makes of its error what
// the transaction reports; nil leaves it as it is.
func (t *Tx) Keep(explain func(error) error, sql string, args ...any) {
	t.kept = append(t.kept, keptStatement{sql, args, explain})
}

// Later returns what keeps the statements that it executes, see [Tx.Keep]. Of any other transaction it is
// that one itself.
func Later(tx pgx.Tx) Writer {
	if t, ok := tx.(*Tx); ok {
		return writer{t}
	}

	return tx
}

// Writer is what takes statements; it is enough for the :exec queries of sqlc.
type Writer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// writer keeps what is executed; what is queried has an answer and cannot wait.
type writer struct{ *Tx }

// Exec keeps a statement. Its tag is empty, and its error nil.
func (w writer) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	w.Keep(nil, sql, args...)

	return pgconn.CommandTag{}, nil
}

// Pool is what InTx needs of a [pgxpool.Pool].
type Pool interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
}

// InTx runs fn in a transaction at the default isolation level: committed when fn returns nil,
// else rolled back. An error of the commit itself may mean that it happened.
func InTx(ctx context.Context, pool Pool, fn func(tx *Tx) error) (err error) {
	tx := &Tx{pool: pool}

	defer func() {
		if tx.conn != nil { // fn failed, or panicked, or the commit did
			tx.rollbackAndRelease(ctx)
		}
	}()

	if err := fn(tx); err != nil {
		return err
	}

	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}

	for _, f := range tx.after {
		f()
	}

	return nil
}

// maxReruns is how often [RetryTx] runs a function again.
const maxReruns = 3

// RetryTx is [InTx] for a function that may be run again: what it does it does in tx alone, and what it leaves
// in variables it sets anew each time. Where Postgres has ended its transaction so that another can go on, as
// one of a circle of transactions that waited for each other is, it is run again after a moment, up to three times.
func RetryTx(ctx context.Context, pool Pool, fn func(tx *Tx) error) error {
	for n := range maxReruns {
		err := InTx(ctx, pool, fn)
		if !gaveWay(err) || !pauseRerun(ctx, n) {
			return err
		}
	}

	return InTx(ctx, pool, fn)
}

// gaveWay reports whether a transaction was ended, and nothing of it happened, so that another can go on.
func gaveWay(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)

	return ok && (e.Code == deadlock || e.Code == serialization)
}

// pauseRerun waits 5 to 15 ms before the first rerun, and twice as long before each further one, so that those who
// met do not meet again. False: the context has ended.
func pauseRerun(ctx context.Context, n int) bool {
	return clock.Sleep(ctx, (5*time.Millisecond+rand.N(10*time.Millisecond))<<n) //nolint:gosec // spreading load, not a secret
}

// rollbackTimeout is how long the answer to a rollback is waited for.
const rollbackTimeout = 500 * time.Millisecond

// rollbackAndRelease rolls back what was begun, and gives the connection back.
func (t *Tx) rollbackAndRelease(ctx context.Context) {
	// The caller's context may have ended; the rollback must still be sent. A connection that does not answer it is
	// dropped, and with it the transaction, so that the caller does not wait much longer than its context says.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()

	_ = t.Rollback(ctx)

	t.releaseConn()
}

// releaseConn gives the connection back; the transaction is over.
func (t *Tx) releaseConn() {
	t.conn.Release()
	t.conn, t.over = nil, pgx.ErrTxClosed
}
