package user_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/plan"
	"imagerun/internal/user"
)

func TestMain(m *testing.M) { devtest.Main(m) }

type bundle struct {
	*user.Directory

	pool  *pgxpool.Pool
	plans *plan.Plans
	now   *clocktest.Clock
}

func setup(t *testing.T) *bundle {
	t.Helper()

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	b := &bundle{pool: devtest.Postgres(t), plans: plans, now: clocktest.New()}
	b.Directory = user.New(b.pool, plans, b.now.Now)

	return b
}

// A user is made once, whichever part needs them first, and keeps their name.
func TestEnsure(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := uuid.New()

	first, err := b.Ensure(t.Context(), b.pool, id)
	require.NoError(t, err)
	require.Len(t, first.Ref, 32)
	require.Equal(t, plan.Default, first.Plan.ID)

	require.NoError(t, user.SetPlan(t.Context(), b.pool, id, b.plans.Of("pro")))

	second, err := b.Ensure(t.Context(), b.pool, id)
	require.NoError(t, err)
	require.Equal(t, first.Ref, second.Ref)
	require.Equal(t, "pro", second.Plan.ID)

	ref, err := b.Ref(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, first.Ref, ref)

	other, err := b.Ref(t.Context(), uuid.New()) // no part needed them before
	require.NoError(t, err)
	require.Len(t, other, 32)
	require.NotEqual(t, ref, other)
}

// In a batch a user is made and locked, and one who is not there is told from one who is.
func TestQueueLock(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id := uuid.New()

	lock := func(tx pgx.Tx, ensure bool) (ref string) {
		batch := &pgx.Batch{}
		if ensure {
			user.QueueEnsure(batch, id)
		}

		user.QueueLock(batch, id, &ref)
		require.NoError(t, tx.SendBatch(t.Context(), batch).Close())

		return ref
	}

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		require.NoError(t, b.Lock(t.Context(), tx, id), "there is no transaction to wait for")
		require.Empty(t, lock(tx, false))
		require.Len(t, lock(tx, true), 32)

		return nil
	}))

	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		require.NoError(t, b.Lock(t.Context(), tx, id))

		free := 1
		require.NoError(t, b.pool.QueryRow(t.Context(),
			`select count(*) from (select from generation_user where user_id = $1 for no key update skip locked) as u`, id).Scan(&free))
		require.Zero(t, free)

		return nil
	}))
}
