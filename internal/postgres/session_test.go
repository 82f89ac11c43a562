package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
)

// TestOpen_TakesWritesOnly: a server that takes no writes is none, and a connection to one that came to take none
// is not kept: the next statement goes to the server that takes writes by then.
func TestOpen_TakesWritesOnly(t *testing.T) {
	t.Parallel()

	app, _, ownerURL := devtest.PostgresURLs(t)
	owner := devtest.Pool(t, ownerURL)
	pool := devtest.Pool(t, app)

	readOnly := func(on string) {
		_, err := owner.Exec(t.Context(), fmt.Sprintf(
			`do $$ begin execute format('alter database %%I set default_transaction_read_only = %s', current_database()); end $$`, on))
		require.NoError(t, err)
	}
	write := func() error {
		_, err := pool.Exec(t.Context(), `delete from queue_pause`)

		return err
	}

	require.NoError(t, write())
	require.NoError(t, postgres.Ready(t.Context(), pool))

	// A session of before the failover: refused once, and gone.
	_, err := pool.Exec(t.Context(), `set default_transaction_read_only = on`)
	require.NoError(t, err)
	require.ErrorIs(t, postgres.Ready(t.Context(), pool), postgres.ErrReadOnly)
	require.ErrorContains(t, write(), "25006")
	require.NoError(t, write())

	// A standby: no session at all.
	readOnly("on")
	pool.Reset()
	require.ErrorContains(t, write(), postgres.ErrReadOnly.Error())
	require.True(t, postgres.Outage(write()))

	readOnly("off")
	require.NoError(t, write())
}

// TestOpen_RefusesAPooler: settings of a session that do not arrive are a sentence, not a surprise later.
func TestOpen_RefusesAPooler(t *testing.T) {
	t.Parallel()

	app, _, _ := devtest.PostgresURLs(t)

	cfg, err := pgx.ParseConfig(app)
	require.NoError(t, err)

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })

	server := net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))

	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}

			go withoutTimeout(t.Context(), client, server)
		}
	}()

	cfg.Host, cfg.Port = "127.0.0.1", uint16(listener.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert,gosec // it is TCP
	pool := devtest.Pool(t, fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", cfg.User, cfg.Password, cfg.Port, cfg.Database))

	require.ErrorContains(t, pool.Ping(t.Context()), "a pooler in transaction mode lies between")
}

// withoutTimeout passes a session on as a pooler does that is told to ignore settings of its start.
func withoutTimeout(ctx context.Context, client net.Conn, addr string) {
	defer client.Close()

	server, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()

	buf := make([]byte, 4096)

	n, err := client.Read(buf)
	if err != nil {
		return
	}

	start := bytes.Replace(buf[:n], []byte("statement_timeout\x00"), []byte("imagerun.ignored_\x00"), 1) // the same length
	if _, err := server.Write(start); err != nil {
		return
	}

	go func() { _, _ = io.Copy(client, server) }()

	_, _ = io.Copy(server, client)
}

func TestOutage(t *testing.T) {
	t.Parallel()

	for _, code := range []string{"25006", "40001", "40P01", "53300", "57P01", "57P02", "57P03", "08006"} {
		require.True(t, postgres.Outage(fmt.Errorf("write row: %w", &pgconn.PgError{Code: code})), code)
	}

	for _, err := range []error{
		nil, io.ErrUnexpectedEOF, errors.New("no luck"), context.DeadlineExceeded, pgx.ErrNoRows,
		&pgconn.PgError{Code: "23505"}, &pgconn.PgError{Code: "57014"},
	} {
		require.False(t, postgres.Outage(err), err)
	}

	away := devtest.Pool(t, "postgres://nobody@127.0.0.1:1/nothing")
	require.True(t, postgres.Outage(away.Ping(t.Context())))
}

func TestTimedOut(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	_, err := pool.Exec(late, `select pg_sleep(10)`)
	require.True(t, postgres.TimedOut(err), "%v", err)

	_, err = pool.Acquire(late)
	require.True(t, postgres.TimedOut(err), "%v", err)

	_, err = pool.Exec(t.Context(), `set statement_timeout = 50; select pg_sleep(10)`)
	require.True(t, postgres.TimedOut(err), "%v", err)

	left, leave := context.WithCancel(t.Context())
	leave()

	_, err = pool.Exec(left, `select 1`)
	require.False(t, postgres.TimedOut(err), "%v", err)
}

// TestOutage_LostConnection: a connection that the server drops without a word is told from any other's.
func TestOutage_LostConnection(t *testing.T) {
	t.Parallel()

	pg := devtest.OwnPostgres(t)
	app, _, _, err := pg.NewDatabase(t.Context(), "lost")
	require.NoError(t, err)

	pool := devtest.Pool(t, app)

	err = postgres.InTx(t.Context(), pool, func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `delete from queue_pause`); err != nil {
			return err
		}

		if err := pg.Restart(t.Context()); err != nil {
			return err
		}

		_, err := tx.Exec(t.Context(), `delete from queue_pause`)
		require.True(t, postgres.Outage(err), "%v", err)

		_, err = tx.Exec(t.Context(), `delete from queue_pause`)

		return err
	})
	require.True(t, postgres.Outage(err), "%v", err)
	require.NoError(t, pool.Ping(t.Context()))
}

func TestSkew(t *testing.T) {
	t.Parallel()

	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		least, most, err := postgres.Skew(t.Context(), devtest.Pool(t, devtest.SkewedPostgres(t, ahead)))
		require.NoError(t, err)
		require.LessOrEqual(t, least, ahead)
		require.GreaterOrEqual(t, most, ahead)
		require.Less(t, most-least, time.Second)
	}
}
