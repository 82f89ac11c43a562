package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/inbox"
)

func TestReceive_Once(t *testing.T) {
	t.Parallel()

	b := setup(t)
	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"))
	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"), "again before it was worked")
	require.Len(t, b.jobs.Pending(), 1)

	b.jobs.RunAll(t.Context())
	b.is(t, "worked", "")

	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"), "and after that")
	require.Zero(t, b.jobs.RunAll(t.Context()))
	require.Equal(t, 1, b.count(t, `select count(*) from added`))

	fresh, err := b.Receive(t.Context(), inbox.Event{Source: "fake", ID: "evt_1", Type: "number.added"})
	require.NoError(t, err)
	require.False(t, fresh, "it says so")

	fresh, err = b.Receive(t.Context(), inbox.Event{Source: "other", ID: "evt_1", Type: "number.added"})
	require.NoError(t, err)
	require.True(t, fresh, "of another source it is another event")
}

func TestReceive_AtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var (
		all   sync.WaitGroup
		fresh atomic.Int32
	)

	for range 8 {
		all.Go(func() {
			is, err := b.Receive(t.Context(), inbox.Event{Source: "fake", ID: "evt_1", Type: "number.added", Body: []byte("{}")})
			if err != nil {
				t.Error(err)
			}

			if is {
				fresh.Add(1)
			}
		})
	}

	all.Wait()
	require.EqualValues(t, 1, fresh.Load())
	require.Equal(t, 1, b.count(t, `select count(*) from job`))
	b.jobs.RunAll(t.Context())
	require.Equal(t, 1, b.count(t, `select count(*) from added`))
}

// cut is a connection to Postgres that is lost when a commit is about to be sent, or when it is answered.
type cut struct {
	net.Conn

	armed *atomic.Bool
	after bool
}

// Write implements [net.Conn].
func (c cut) Write(b []byte) (int, error) {
	if !c.after && bytes.Contains(b, []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}

	return c.Conn.Write(b)
}

// Read implements [net.Conn].
func (c cut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.after && bytes.Contains(b[:n], []byte("COMMIT\x00")) && c.armed.CompareAndSwap(true, false) {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}

	return n, err
}

// A vendor whose event may not have been kept hears of it, and sends it again; either way it is kept once.
func TestReceive_CommitCutOff(t *testing.T) {
	t.Parallel()

	for name, after := range map[string]bool{"Killed before the commit": false, "Commit unknown": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			app, _, owner := devtest.PostgresURLs(t)

			var armed atomic.Bool

			cfg := devtest.Pool(t, app).Config()
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)

				return cut{conn, &armed, after}, err
			}

			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			require.NoError(t, err)
			t.Cleanup(pool.Close)

			b := setupOn(t, pool, devtest.Pool(t, owner))

			armed.Store(true)
			require.Equal(t, http.StatusInternalServerError, b.send(t, "evt_1", "number.added"))
			require.False(t, armed.Load())

			kept := map[bool]int{false: 0, true: 1}[after]
			require.Equal(t, kept, b.count(t, `select count(*) from inbox_event`))
			require.Equal(t, kept, b.count(t, `select count(*) from job`), "the job came with it, or neither did")

			require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"))
			b.jobs.RunAll(t.Context())
			b.is(t, "worked", "")
			require.Equal(t, 1, b.count(t, `select count(*) from added`))
		})
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()

	b := setup(t)
	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"))
	b.jobs.RunAll(t.Context())
	require.Equal(t, http.StatusOK, b.send(t, "evt_2", "number.added")) // no handler works it

	purge := func() {
		for _, c := range b.Retention() {
			_, err := c.Purge.Step(t.Context(), c.Purge.Batch)
			require.NoError(t, err)
		}
	}

	b.ahead = 28 * 24 * time.Hour
	purge()
	require.Equal(t, 2, b.count(t, `select count(*) from inbox_event where body is not null`))

	b.ahead = 30*24*time.Hour - time.Hour // the purges that a day has may all be late
	purge()
	require.Zero(t, b.count(t, `select count(*) from inbox_event where body is not null`))
	require.Equal(t, 2, b.count(t, `select count(*) from inbox_event`))

	require.Equal(t, http.StatusOK, b.send(t, "evt_1", "number.added"), "that it came is known for longer")
	b.jobs.RunAll(t.Context())
	require.Equal(t, 1, b.count(t, `select count(*) from added`))
	require.Equal(t, 1, b.count(t, `select count(*) from inbox_event where state = 'failed' and code = 'body_erased'`))

	var id uuid.UUID

	require.NoError(t, b.owner.QueryRow(t.Context(), `select id from inbox_event where event_id = 'evt_1'`).Scan(&id))
	require.ErrorIs(t, b.Replay(t.Context(), id), inbox.ErrErased)
	require.Equal(t, 1, b.count(t, `select count(*) from inbox_event where state = 'worked'`), "it stays what it was")

	b.ahead = 366 * 24 * time.Hour
	purge()
	require.Zero(t, b.count(t, `select count(*) from inbox_event`))
}
