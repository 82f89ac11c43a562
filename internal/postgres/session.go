package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrReadOnly says that a server takes no writes: a standby, one that is failing over, or one whose disk is full.
var ErrReadOnly = errors.New("postgres takes no writes")

// errPooler says what lies between us and Postgres.
var errPooler = errors.New("postgres does not keep the settings of our sessions: a pooler in transaction mode lies between, " +
	"where sessions, locks and prepared statements are not ours. Connect to Postgres itself, or by the pooler's session mode")

// validateSession looks at a new connection before it is used. Every process writes, so a server that takes no writes
// is as good as none, and the next address of the URL is tried.
func validateSession(timeout time.Duration) pgconn.ValidateConnectFunc {
	const look = `select current_setting('transaction_read_only'), (select setting from pg_catalog.pg_settings where name = 'statement_timeout')`

	return func(ctx context.Context, conn *pgconn.PgConn) error {
		result := conn.ExecParams(ctx, look, nil, nil, nil, nil).Read()

		switch {
		case result.Err != nil:
			return fmt.Errorf("look at session: %w", result.Err)
		case string(result.Rows[0][0]) == "on":
			return ErrReadOnly
		case string(result.Rows[0][1]) != strconv.FormatInt(timeout.Milliseconds(), 10):
			return errPooler
		default:
			return nil
		}
	}
}

// Ready reports whether Postgres answers and takes writes ([ErrReadOnly]).
func Ready(ctx context.Context, pool *pgxpool.Pool) error {
	var readOnly bool
	if err := pool.QueryRow(ctx, `select current_setting('transaction_read_only') = 'on'`).Scan(&readOnly); err != nil {
		return err
	}

	if readOnly {
		return ErrReadOnly
	}

	return nil
}

// Skew measures by how much the database's clock is ahead of this machine's, at least and at most: it looked at some
// time between the question and the answer.
func Skew(ctx context.Context, pool *pgxpool.Pool) (least, most time.Duration, err error) {
	conn, err := pool.Acquire(ctx) // before the look: to make one takes its time
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()

	ctx, cancel := context.WithTimeout(ctx, time.Second) // what takes longer says too little
	defer cancel()

	var theirs time.Time

	began := time.Now()

	if err := conn.QueryRow(ctx, `select clock_timestamp()`).Scan(&theirs); err != nil {
		return 0, 0, err
	}

	// Postgres keeps microseconds.
	return time.Until(theirs), theirs.Sub(began) + time.Microsecond, nil
}

// keepConnection reports whether a connection is kept after an error. One of a server that has become a standby, or is
// going away, is not: the next is made to whichever server takes writes then.
func keepConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return !strings.EqualFold(err.Severity, "FATAL") && err.Code != readOnly && !strings.HasPrefix(err.Code, goingAway)
}

// SQLSTATEs (PostgreSQL, Appendix A).
const (
	readOnly      = "25006"
	serialization = "40001"
	deadlock      = "40P01"
	tooMany       = "53300"
	lockTimedOut  = "55P03"
	canceled      = "57014" // by its statement_timeout, or by an operator
	goingAway     = "57P0"  // shut down, crashed, starting, dropped
	connection    = "08"    // the class
)

// Outage reports whether err says that Postgres was away, was failing over, or had one transaction give way: what was
// attempted failed by no fault of its own and may be tried again. Whether a commit happened is not known then.
func Outage(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == readOnly || pg.Code == serialization || pg.Code == deadlock || pg.Code == tooMany ||
			strings.HasPrefix(pg.Code, goingAway) || strings.HasPrefix(pg.Code, connection)
	}

	_, unreached := errors.AsType[*pgconn.ConnectError](err)
	_, lost := errors.AsType[*lostError](err)
	// A statement after the one that found the connection lost.
	unsent := pgconn.SafeToRetry(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)

	return unreached || lost || unsent
}

// TimedOut reports whether err says that Postgres was not done in time: that of the context, or of the statement.
func TimedOut(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == canceled || pg.Code == lockTimedOut
	}

	return errors.Is(err, context.DeadlineExceeded)
}

// conn marks the errors of a connection as such: to others a lost one looks like that of any other server.
type conn struct{ net.Conn }

func markErrors(_ context.Context, _ *pgconn.Config, c net.Conn) (net.Conn, error) {
	return conn{c}, nil
}

// Read implements [net.Conn].
func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)

	return n, markError(err)
}

// Write implements [net.Conn].
func (c conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)

	return n, markError(err)
}

// lostError is what became of a connection.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// markError leaves timeouts as they are: the caller's context has ended, and nothing is known of the server.
func markError(err error) error {
	if e, ok := errors.AsType[net.Error](err); err == nil || ok && e.Timeout() {
		return err
	}

	return &lostError{err}
}
