package generation_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// TestTakeover_WithoutTheLastCommits has a standby take over that lacks the last commits, and the same numbers given out
// once more. Who saw the lost events is told to begin anew; who looks at one generation misses no change of it.
func TestTakeover_WithoutTheLastCommits(t *testing.T) {
	t.Parallel()

	pg := devtest.OwnPostgres(t)
	app, _, owner, err := pg.NewDatabase(t.Context(), "takeover")
	require.NoError(t, err)

	pool := devtest.Pool(t, app)
	b := setupOn(t, pool)
	b.fund(t, b.user, fortune)

	g := b.submit(t)

	conn, err := pgx.Connect(t.Context(), owner)
	require.NoError(t, err)

	var data string
	require.NoError(t, conn.QueryRow(t.Context(), `show data_directory`).Scan(&data))

	_, err = conn.Exec(t.Context(), `alter system set restore_command = 'false'`)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	copyAll := func(from, to string) { // with owners, who are not us
		require.NoError(t, exec.CommandContext(t.Context(), "cp", "-a", from, to).Run())
	}

	// The standby is what there is now; the primary goes on and is lost.
	standby := filepath.Join(t.TempDir(), "standby")

	pg.Stop()
	copyAll(data, standby)
	require.NoError(t, pg.Start(t.Context()))
	require.Eventually(t, func() bool { return pool.Ping(context.Background()) == nil }, 20*time.Second, 10*time.Millisecond)

	_, err = b.Cancel(t.Context(), b.user, g.ID)
	require.NoError(t, err)

	lost := b.get(t, g.ID)
	seen, err := b.Overview(t.Context(), b.user, nil)
	require.NoError(t, err)

	pg.Stop()
	require.NoError(t, os.RemoveAll(data))
	copyAll(standby, data)
	copyAll(filepath.Join(data, "PG_VERSION"), filepath.Join(data, "recovery.signal")) // any file of the right owner
	require.NoError(t, pg.Start(t.Context()))
	require.Eventually(t, func() bool { return pool.Ping(context.Background()) == nil }, 20*time.Second, 10*time.Millisecond)

	require.Less(t, b.get(t, g.ID).StatusSequence, lost.StatusSequence, "the cancel is lost")

	b.admit(t)

	now := b.get(t, g.ID)
	require.NotEqual(t, lost.Status, now.Status)
	require.Greater(t, now.StatusSequence, lost.StatusSequence)
	require.Less(t, now.StatusSequence, int64(1)<<53, "as far as JSON's numbers go")

	ok, err := b.Resumable(t.Context(), b.user, seen.Number)
	require.NoError(t, err)
	require.False(t, ok, "begin anew")

	events, err := b.Events(t.Context(), b.user, g.ID, lost.StatusSequence)
	require.NoError(t, err)
	require.NotEmpty(t, events, "nothing is missed")
}
