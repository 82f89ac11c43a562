package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sendAfterKept sends what the transaction owes (BEGIN, and what was kept) and last in one round trip. The results
// are those of last; with an error there are none left to close.
func (t *Tx) sendAfterKept(ctx context.Context, last *pgx.Batch) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	if t.Tx == nil {
		batch.BeginTx(pgx.TxOptions{})
	}

	begins, kept := batch.Len(), t.queueKept(batch)
	batch.QueuedQueries = append(batch.QueuedQueries, last.QueuedQueries...)

	results, err := t.sendBatch(ctx, batch)
	if err != nil {
		return nil, err
	}

	if begins > 0 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()

			return nil, fmt.Errorf("begin transaction: %w", err)
		}
	}

	return results, readKept(results, kept)
}

// sendAll sends a transaction that consists of what was kept. Statements that are sent together are one
// transaction without BEGIN and COMMIT (PostgreSQL, "Extended Query", pipelining).
func (t *Tx) sendAll(ctx context.Context) error {
	if len(t.kept) == 1 {
		return t.sendOnly(ctx, t.kept[0])
	}

	batch := &pgx.Batch{}
	kept := t.queueKept(batch)

	results, err := t.sendBatch(ctx, batch)
	if err != nil {
		return err
	}

	if err := readKept(results, kept); err != nil {
		return err
	}

	return results.Close()
}

// sendOnly sends a transaction of one statement.
func (t *Tx) sendOnly(ctx context.Context, s keptStatement) error {
	conn, err := t.acquireConn(ctx)
	if err != nil {
		return err
	}

	t.conn, t.kept = conn, nil

	if _, err := conn.Exec(ctx, s.sql, s.args...); err != nil {
		return s.wrapError(err)
	}

	return nil
}

// acquireConn takes a connection to begin on. Without one the transaction is over: what was kept for it is lost.
func (t *Tx) acquireConn(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := t.pool.Acquire(ctx)
	if err != nil {
		t.over = fmt.Errorf("begin transaction: %w", err)

		return nil, t.over
	}

	return conn, nil
}

// sendBatch sends a batch on the transaction's connection, and makes it one that was begun if the batch says so.
func (t *Tx) sendBatch(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	switch {
	case t.over != nil:
		return nil, t.over
	case t.Tx != nil:
		return t.Tx.SendBatch(ctx, batch), nil
	}

	conn, err := t.acquireConn(ctx)
	if err != nil {
		return nil, err
	}

	results := conn.SendBatch(ctx, batch)
	t.conn, t.Tx = conn, results.Tx()

	return results, nil
}

// queueKept adds what was kept to a batch, and keeps it no longer.
func (t *Tx) queueKept(batch *pgx.Batch) (kept []keptStatement) {
	kept, t.kept = t.kept, nil

	for _, s := range kept {
		batch.Queue(s.sql, s.args...)
	}

	return kept
}

// readKept reads the results of what was kept. After an error there are none left.
func readKept(results pgx.BatchResults, kept []keptStatement) error {
	for _, s := range kept {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()

			return s.wrapError(err)
		}
	}

	return nil
}

func (s keptStatement) wrapError(err error) error {
	if s.explain != nil {
		err = s.explain(err)
	}

	return fmt.Errorf("send what was kept for later: %w", err)
}

// flushKept sends what is owed.
func (t *Tx) flushKept(ctx context.Context) error {
	if t.owesNothing() {
		return nil
	}

	results, err := t.sendAfterKept(ctx, &pgx.Batch{})
	if err != nil {
		return err
	}

	return results.Close()
}

// owesNothing reports whether a statement can go by itself.
func (t *Tx) owesNothing() bool { return t.over == nil && t.Tx != nil && len(t.kept) == 0 }

// Commit implements [pgx.Tx].
func (t *Tx) Commit(ctx context.Context) error {
	switch {
	case t.over != nil:
		return t.over
	case t.Tx == nil && len(t.kept) == 0:
		return ctx.Err() // there is nothing to commit
	case t.Tx == nil:
		if err := t.sendAll(ctx); err != nil {
			return err
		}

		t.releaseConn()

		return nil
	}

	last := &pgx.Batch{}
	last.Queue("commit")

	results, err := t.sendAfterKept(ctx, last)
	if err != nil {
		return err
	}

	tag, err := results.Exec()
	if e := results.Close(); err == nil {
		err = e
	}

	if err != nil {
		return err
	}

	t.releaseConn()

	if tag.String() == "ROLLBACK" {
		return pgx.ErrTxCommitRollback
	}

	return nil
}

// Rollback implements [pgx.Tx].
func (t *Tx) Rollback(ctx context.Context) error {
	t.kept, t.over = nil, pgx.ErrTxClosed

	if t.Tx == nil || t.conn == nil || t.conn.Conn().PgConn().TxStatus() == 'I' {
		return nil
	}

	return t.Tx.Rollback(ctx)
}

// Exec implements [pgx.Tx].
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.owesNothing() {
		return t.Tx.Exec(ctx, sql, args...)
	}

	rows, err := t.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}

	rows.Close()

	return rows.CommandTag(), rows.Err()
}

// Query implements [pgx.Tx].
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.owesNothing() {
		return t.Tx.Query(ctx, sql, args...)
	}

	last := &pgx.Batch{}
	last.Queue(sql, args...)

	results, err := t.sendAfterKept(ctx, last)
	if err != nil {
		return pgx.FailedBatchResults(last, err).Query()
	}

	rows, err := results.Query()
	if err != nil {
		_ = results.Close()

		return rows, err
	}

	return &lastRows{Rows: rows, results: results}, nil
}

// QueryRow implements [pgx.Tx].
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.owesNothing() {
		return t.Tx.QueryRow(ctx, sql, args...)
	}

	rows, err := t.Query(ctx, sql, args...)

	return lastRow{rows, err}
}

// SendBatch implements [pgx.Tx].
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.owesNothing() {
		return t.Tx.SendBatch(ctx, b)
	}

	results, err := t.sendAfterKept(ctx, b)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}

	return results
}

// CopyFrom implements [pgx.Tx].
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if err := t.flushKept(ctx); err != nil {
		return 0, err
	}

	return t.Tx.CopyFrom(ctx, table, columns, source)
}

// Prepare implements [pgx.Tx].
func (t *Tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.flushKept(ctx); err != nil {
		return nil, err
	}

	return t.Tx.Prepare(ctx, name, sql)
}

// Begin implements [pgx.Tx]: it begins a part that can be rolled back by itself.
func (t *Tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.flushKept(ctx); err != nil {
		return nil, err
	}

	return t.Tx.Begin(ctx)
}

// Conn implements [pgx.Tx]. Before the first statement there is none.
func (t *Tx) Conn() *pgx.Conn {
	if t.Tx == nil {
		return nil
	}

	return t.Tx.Conn()
}

// lastRows are the rows of a batch's last statement; with them the batch is read to its end.
type lastRows struct {
	pgx.Rows

	results pgx.BatchResults
	closed  bool
	err     error
}

// Next implements [pgx.Rows].
func (r *lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}

	r.Close()

	return false
}

// Close implements [pgx.Rows].
func (r *lastRows) Close() {
	r.Rows.Close()

	if !r.closed {
		r.closed, r.err = true, r.results.Close()
	}
}

// Err implements [pgx.Rows].
func (r *lastRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}

	return r.err
}

// lastRow is the first of some rows.
type lastRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements [pgx.Row].
func (r lastRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}

	defer r.rows.Close()

	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}

		return pgx.ErrNoRows
	}

	if err := r.rows.Scan(dest...); err != nil {
		return err
	}

	r.rows.Close()

	return r.rows.Err()
}
