package inbox_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/inbox"
)

func TestWork(t *testing.T) {
	t.Parallel()

	t.Run("UnknownTypesAreKept", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.Equal(t, http.StatusOK, b.send(t, "evt_1", "something.new"))
		b.jobs.RunAll(t.Context())
		b.is(t, "ignored", "")
		require.Empty(t, b.jobs.Pending())
	})

	t.Run("FailedForGood", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.handle = func(ctx context.Context, tx pgx.Tx, e inbox.Event) error {
			require.NoError(t, add(ctx, tx, e))

			return inbox.Fail("order_unknown")
		}
		b.send(t, "evt_1", "number.added")
		b.jobs.RunAll(t.Context())
		b.is(t, "failed", "order_unknown")
		require.Empty(t, b.jobs.Pending())
		require.Zero(t, b.count(t, `select count(*) from added`), "what it did is undone")
	})

	t.Run("TriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.handle = func(ctx context.Context, tx pgx.Tx, e inbox.Event) error {
			b.handle = nil

			return errors.Join(add(ctx, tx, e), errors.New("it broke"))
		}
		b.send(t, "evt_1", "number.added")
		b.jobs.RunAll(t.Context())
		b.is(t, "received", "")

		b.jobs.Advance(time.Minute)
		b.jobs.RunAll(t.Context())
		b.is(t, "worked", "")
		require.Equal(t, 1, b.count(t, `select count(*) from added`))
	})

	t.Run("GivenUp", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.handle = func(context.Context, pgx.Tx, inbox.Event) error { return errors.New("it broke") }
		b.send(t, "evt_1", "number.added")

		for range 20 {
			b.jobs.RunAll(t.Context())
			b.jobs.Advance(time.Hour)
		}

		b.is(t, "failed", "error")
		require.Len(t, b.jobs.Dead(), 1)
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()

	b := setup(t)
	require.ErrorIs(t, b.Replay(t.Context(), uuid.New()), inbox.ErrNotFound)

	b.handle = func(context.Context, pgx.Tx, inbox.Event) error { return inbox.Fail("order_unknown") }
	b.send(t, "evt_1", "number.added")
	b.jobs.RunAll(t.Context())
	id := b.is(t, "failed", "order_unknown")

	b.handle = nil
	require.NoError(t, b.Replay(t.Context(), id))
	require.NoError(t, b.Replay(t.Context(), id))
	require.Len(t, b.jobs.Pending(), 1)
	b.jobs.RunAll(t.Context())
	b.is(t, "worked", "")
	require.Equal(t, 1, b.count(t, `select count(*) from added`))
}

// An operator may have an event worked again, and cannot read it; who takes it in can do neither.
func TestReplay_Rights(t *testing.T) {
	t.Parallel()

	app, _, owner := devtest.PostgresURLs(t)
	api := setupOn(t, devtest.Pool(t, devtest.As(t, app, "api")), devtest.Pool(t, owner))
	operator := setupOn(t, devtest.Pool(t, devtest.As(t, app, "operator")), api.owner)
	worker := setupOn(t, devtest.Pool(t, devtest.As(t, app, "worker")), api.owner)

	_, err := api.owner.Exec(t.Context(), `grant insert on added to imagerun_worker`)
	require.NoError(t, err)

	require.Equal(t, http.StatusOK, api.send(t, "evt_1", "number.added"))
	require.Equal(t, http.StatusOK, api.send(t, "evt_1", "number.added"))
	worker.jobs.RunAll(t.Context())
	id := api.is(t, "worked", "")

	require.NoError(t, operator.Replay(t.Context(), id))
	worker.jobs.RunAll(t.Context())
	require.Equal(t, 2, api.count(t, `select count(*) from added`), "once more, as was said")

	require.Error(t, api.Replay(t.Context(), id))

	for _, who := range []*bundle{api, operator} {
		_, err := who.pool.Exec(t.Context(), `select body from inbox_event`)
		require.ErrorContains(t, err, "42501")
	}
}
