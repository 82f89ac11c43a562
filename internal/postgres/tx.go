package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Tx is a transaction that can keep statements for later, and run something once it has been
// committed. Not safe for concurrent use.
type Tx struct {
	pgx.Tx

	later pgx.Batch
	after []func()
}

// AfterCommit has f run after the commit, and only if Commit returned nil. It is for hints that
// may be lost: f must not block, and whatever depends on it needs a sweep that works without it.
func (t *Tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// Later returns what takes statements whose results nobody waits for. They are sent together, in
// their order and before whatever the transaction sends next: so everything happens as if each had been
// sent at once, but for an error, which comes from what is sent next or from the commit. Of any other
// transaction it is that one itself.
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
	w.later.Queue(sql, args...)

	return pgconn.CommandTag{}, nil
}

// flush sends what was kept.
func (t *Tx) flush(ctx context.Context) error {
	if t.later.Len() == 0 {
		return nil
	}

	batch := t.later
	t.later = pgx.Batch{}

	if err := t.Tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("send what was kept for later: %w", err)
	}

	return nil
}

// Exec implements [pgx.Tx].
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.flush(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}

	return t.Tx.Exec(ctx, sql, args...)
}

// Query implements [pgx.Tx].
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.flush(ctx); err != nil {
		return failed(err).Query()
	}

	return t.Tx.Query(ctx, sql, args...)
}

// QueryRow implements [pgx.Tx].
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.flush(ctx); err != nil {
		return failed(err).QueryRow()
	}

	return t.Tx.QueryRow(ctx, sql, args...)
}

// SendBatch implements [pgx.Tx].
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.flush(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}

	return t.Tx.SendBatch(ctx, b)
}

// CopyFrom implements [pgx.Tx].
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, err
	}

	return t.Tx.CopyFrom(ctx, table, columns, source)
}

// Begin implements [pgx.Tx]: it begins a part that can be rolled back by itself.
func (t *Tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}

	return t.Tx.Begin(ctx)
}

// Commit implements [pgx.Tx].
func (t *Tx) Commit(ctx context.Context) error {
	if err := t.flush(ctx); err != nil {
		return err
	}

	return t.Tx.Commit(ctx)
}

// failed are the results of what was not sent.
func failed(err error) pgx.BatchResults { return pgx.FailedBatchResults(&pgx.Batch{}, err) }

// Beginner is what InTx needs of a pool.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs fn in a transaction at the default isolation level: committed when fn returns nil,
// else rolled back. An error of the commit itself may mean that it happened.
func InTx(ctx context.Context, db Beginner, fn func(tx *Tx) error) error {
	inner, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}

	return inTx(ctx, inner, fn)
}

// Sender is what InTxFirst needs of a pool.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// InTxFirst is [InTx] for a transaction whose first statements are known before it begins: first queues
// them, with callbacks for their results, and they go out together with BEGIN. fn does not run when one of
// them, or its callback, fails.
func InTxFirst(ctx context.Context, db Sender, first func(*pgx.Batch), fn func(tx *Tx) error) error {
	batch := &pgx.Batch{}
	batch.BeginTx(pgx.TxOptions{})
	first(batch)

	results := db.SendBatch(ctx, batch)
	inner, err := results.Tx(), results.Close()

	return inTx(ctx, inner, func(tx *Tx) error {
		if err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}

		return fn(tx)
	})
}

func inTx(ctx context.Context, inner pgx.Tx, fn func(tx *Tx) error) (err error) {
	tx := &Tx{Tx: inner}

	defer func() {
		if err != nil {
			// The caller's context may have ended; the rollback must still be sent.
			c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()

			_ = inner.Rollback(c)
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
