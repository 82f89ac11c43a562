package generation_test

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
)

// overdue has so many users ask for ten generations each, lets all of them come past their deadline, and returns how many there are.
func (b *bundle) overdue(t *testing.T, users int) int {
	t.Helper()

	ids := make([]uuid.UUID, users)
	for i := range ids {
		ids[i] = uuid.New()
		b.fund(t, ids[i], fortune)
	}

	for range 10 {
		for _, user := range ids {
			_, err := b.Submit(t.Context(), submission(b, func(s *generation.Submission) { s.UserID = user }))
			require.NoError(t, err)
			b.now.Move(time.Millisecond)
		}
	}

	b.now.Move(time.Hour)

	return 10 * users
}

// expireBy has so many schedulers look at the deadlines once, at the same time, and returns how many each of them ended.
func (b *bundle) expireBy(t *testing.T, schedulers int) (expired []int) {
	t.Helper()

	var wg sync.WaitGroup

	expired = make([]int, schedulers)

	for i := range schedulers {
		wg.Go(func() {
			n, err := b.ExpireDue(t.Context())
			if err != nil {
				t.Error(err)
			}

			expired[i] = n
		})
	}

	wg.Wait()

	return expired
}

// However many are due and however many schedulers end them, one look of each ends all, and each once.
func TestExpireDue_Shared(t *testing.T) {
	t.Parallel()

	b := setupOn(t, devtest.Postgres(t))
	all := b.overdue(t, 52)
	sum := 0

	for _, n := range b.expireBy(t, 3) {
		require.Positive(t, n)

		sum += n
	}

	require.Equal(t, all, sum)

	for sql, want := range map[string]int{
		`select count(*) from ai_task where status = 'expired'`:                    all,
		`select count(*) from generation_event where status = 'expired'`:           all,
		`select count(*) from ledger_txn where kind = 'release'`:                   all,
		`select count(*) from credit_hold where closed_at is null`:                 0,
		`select count(*) from user_credit where available <> 1000000 or held <> 0`: 0,
	} {
		var got int

		require.NoError(t, b.pool.QueryRow(t.Context(), sql).Scan(&got))
		require.Equal(t, want, got, sql)
	}

	b.settled(t)
}

// One that somebody is at is passed over, and ended by the next look if it is still due.
func TestExpireDue_WaitsForNobody(t *testing.T) {
	t.Parallel()

	b := setup(t)
	held, free := b.submit(t), b.submit(t)
	b.now.Move(time.Hour)

	b.ledger(t, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select from ai_task where id = $1 for update`, held.ID)
		require.NoError(t, err)

		n, err := b.ExpireDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, generation.StatusExpired, b.get(t, free.ID).Status)

		return nil
	})

	n, err := b.ExpireDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, generation.StatusExpired, b.get(t, held.ID).Status)
	b.check(t)
}

// TestProve_DeadlinesScale prints how many generations a second come to their end when many are due at once, with the database on
// the same machine, whose processors are the limit then, and with a millisecond of network in between.
func TestProve_DeadlinesScale(t *testing.T) {
	t.Parallel()

	users, ways, by := 10, []time.Duration{time.Millisecond}, []int{3}
	if os.Getenv("IMAGERUN_PROVE") != "" {
		users, ways, by = 100, []time.Duration{0, time.Millisecond}, []int{1, 3}
	}

	for _, way := range ways {
		for _, schedulers := range by {
			b := setupOn(t, farPool(t, way))
			all := b.overdue(t, users)
			began := time.Now()

			for left := all; left > 0; {
				b.expireBy(t, schedulers)
				require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task where finished_at is null`).Scan(&left))
			}

			took := time.Since(began)
			t.Logf("%s of network, %d schedulers: %d ended in %s, %.0f a second", way, schedulers, all, took.Round(time.Millisecond), float64(all)/took.Seconds())
			b.settled(t)
		}
	}
}

// farPool is a database to which what is sent takes so long.
func farPool(t *testing.T, way time.Duration) *pgxpool.Pool {
	t.Helper()

	url, _, _ := devtest.PostgresURLs(t)
	cfg, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)

	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)

		return farConn{conn, way}, err
	}

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	return pool
}

// farConn is a connection over a network that is slow.
type farConn struct {
	net.Conn

	way time.Duration
}

func (c farConn) Write(b []byte) (int, error) {
	<-time.After(c.way)

	return c.Conn.Write(b)
}
