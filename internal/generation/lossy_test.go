package generation_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// lossyCommits is a connection that goes away when Postgres has committed, before its client hears of it.
type lossyCommits struct {
	tripCounter

	mu     sync.Mutex
	left   int  // commits up to the one whose answer is lost; zero: none is. guarded by mu
	losing bool // guarded by mu
}

// setupLossy is setup with one connection of that kind.
func setupLossy(t *testing.T) (*bundle, *lossyCommits) {
	t.Helper()

	cfg, lost := devtest.Postgres(t).Config(), &lossyCommits{}
	cfg.MaxConns, cfg.ConnConfig.Tracer = 1, lost
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)

		return lossyConn{c, lost}, err
	}

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool)
	b.fund(t, b.user, fortune)
	b.submit(t)

	return b, lost
}

// next has the answer to the nth commit from now be lost.
func (l *lossyCommits) next(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.left = n
}

func (l *lossyCommits) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()

	if q := d.Batch.QueuedQueries; l.left > 0 && q[len(q)-1].SQL == "commit" {
		l.left--
		l.losing = l.left == 0
	}

	return ctx
}

type lossyConn struct {
	net.Conn

	lost *lossyCommits
}

func (c lossyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)

	c.lost.mu.Lock()
	defer c.lost.mu.Unlock()

	if !c.lost.losing {
		return n, err
	}

	for err == nil && !bytes.HasSuffix(p[:n], []byte("Z\x00\x00\x00\x05I")) { // ReadyForQuery, outside of a transaction
		n, err = c.Conn.Read(p)
	}

	c.lost.losing = false
	_ = c.Conn.Close()

	return 0, io.ErrUnexpectedEOF
}
