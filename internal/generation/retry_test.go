package generation_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// Where Postgres has a change give way, because it and another transaction wait for each other, its user does not
// hear of it.
func TestRetry_AChangeThatGaveWay(t *testing.T) {
	t.Parallel()

	url, _, ownerURL := devtest.PostgresURLs(t)
	owner := devtest.Pool(t, ownerURL)
	b := setupOn(t, devtest.Pool(t, url))
	b.fund(t, b.user, fortune)
	g := b.start(t)

	// An operator's console locks rows in the wrong order, and is more patient.
	tx, err := owner.Begin(t.Context())
	require.NoError(t, err)

	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()

	_, err = tx.Exec(t.Context(), `set local deadlock_timeout = '1min'`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select from generation_user where user_id = $1 for update`, b.user)
	require.NoError(t, err)

	canceled := make(chan error, 1)

	go func() {
		_, err := b.Cancel(t.Context(), b.user, g.ID)
		canceled <- err
	}()

	waitLocked(t, b)

	_, err = tx.Exec(t.Context(), `select from ai_task where id = $1 for update`, g.ID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-canceled)
	require.True(t, b.get(t, g.ID).Canceling())

	events, err := b.Events(t.Context(), b.user, g.ID, g.StatusSequence)
	require.NoError(t, err)
	require.Len(t, events, 1, "it happened once")
	b.settled(t)
}
