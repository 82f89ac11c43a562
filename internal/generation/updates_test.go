package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
)

// TestUpdates_FewAndHot takes generations from submit to done, and asks Postgres how often their rows were written anew, and how
// often that was cheap: on the same page, with no index to change. The server is its own, because a page is tidied up only as
// far as nobody's transaction on it is older.
func TestUpdates_FewAndHot(t *testing.T) {
	t.Parallel()

	const (
		rounds, each = 4, 50
		all          = rounds * each
		mostUpdates  = 6.0
		leastHot     = 0.6
	)

	pg := devtest.OwnPostgres(t)
	pool := devtest.Pool(t, pg.AppURL)
	b := setupOn(t, pool, func(o *generation.Options) { o.Slots = all })

	for range rounds {
		for range each {
			b.submit(t, func(s *generation.Submission) { s.UserID = uuid.New() })
		}

		asked := b.provider.asked()
		b.admit(t)

		for n := asked; n < b.provider.asked(); n++ {
			b.provider.finish(t, n)
		}

		b.pass(t, 30*time.Second)
	}

	// A session tells of what it did at its end at the latest.
	pool.Close()

	owner := devtest.Pool(t, pg.OwnerURL)

	var inserted, updates, hot, done int

	require.Eventually(t, func() bool {
		require.NoError(t, owner.QueryRow(t.Context(), `select n_tup_ins, n_tup_upd, n_tup_hot_upd, (select count(*) from ai_task where status = 'succeeded')
			from pg_stat_user_tables where relname = 'ai_task'`).Scan(&inserted, &updates, &hot, &done))

		return inserted == all && updates > 0
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, all, done)

	perTask, share := float64(updates)/all, float64(hot)/float64(updates)
	t.Logf("%.2f updates a generation, %.0f %% of them hot", perTask, 100*share)
	require.LessOrEqual(t, perTask, mostUpdates)
	require.GreaterOrEqual(t, share, leastHot)
}
