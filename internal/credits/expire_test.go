package credits_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
)

// One ledger that refuses its entry keeps no other from its expiry.
func TestExpire_GoesOnAfterAFailure(t *testing.T) {
	t.Parallel()

	b := setup(t)
	grants := map[uuid.UUID]uuid.UUID{} // by subject

	for i := range 9 {
		who, err := newBundle(t.Context(), b.pool)
		require.NoError(t, err)
		who.give(t, credits.SourcePromotion, fmt.Sprint("promo:", i), 5, b.in(time.Hour))

		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), `select id from credit_grant where subject = $1`, who.subject).Scan(&id))
		grants[who.subject] = id
	}

	// The key of the entry to come is taken, in the ledger of a subject that has nothing.
	var broken uuid.UUID
	for broken = range grants {
	}

	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update user_credit set version = 1 where subject = $1`, b.subject)
		if err == nil {
			_, err = tx.Exec(t.Context(), `insert into ledger_txn (subject, sequence, kind, business_key, actor, available, held, debt, created_at)
				values ($1, 1, 'expire', 'expire:' || $2::text, 'system', 0, 0, 0, now())`, b.subject, grants[broken])
		}

		return err
	}))

	b.time.Move(2 * time.Hour)

	n, err := b.Expire(b.ctx, b.pool, 100)
	require.ErrorContains(t, err, broken.String())
	require.Equal(t, 8, n)

	var left []uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(subject) from credit_grant where remaining > 0`).Scan(&left))
	require.Equal(t, []uuid.UUID{broken}, left)
}

// A user who holds what they have over its expiry again and again keeps it for seven days and no longer, and reads why.
func TestExpire_HeldOverIt(t *testing.T) {
	t.Parallel()

	b := setup(t)
	last := b.in(8 * 24 * time.Hour).Format("2 January 2006, 15:04 UTC")
	b.give(t, credits.SourcePromotion, "promo:1", 3, b.in(24*time.Hour))

	for _, days := range []int{2, 4, 3} {
		task := uuid.New()
		require.NoError(t, b.hold(task, 3))
		b.time.Move(time.Duration(days) * 24 * time.Hour)
		require.EqualValues(t, 3, b.release(t, task))
	}

	b.has(t, credits.Balance{})

	again := []string{
		"-3 Set aside for a generation.", "+3 Returned: the generation did not use them.", "-3 Reached their expiry date.",
		"+3 Given anew for 72 hours: they expired while a generation held them.",
	}
	shorter := "+3 Given anew until " + last + ", 7 days past their own expiry: they expired while a generation held them."
	want := slices.Concat([]string{"+3 Promotional credits."}, again, again[:3], []string{shorter}, again[:2], []string{
		"-3 Expired for good: 7 days have passed since their own expiry date.",
	})
	require.Equal(t, want, b.story(t))
}

// However a user holds and releases, nothing lasts longer than what they had at first and seven days.
func TestExpire_NothingIsKeptAlive(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	rapid.Check(t, func(rt *rapid.T) {
		b, err := newBundle(t.Context(), pool)
		require.NoError(rt, err)

		hours := func(most int, label string) time.Duration {
			return time.Duration(rapid.IntRange(1, most).Draw(rt, label)) * time.Hour
		}

		var end time.Time

		for i := range rapid.IntRange(1, 3).Draw(rt, "grants") {
			until := b.in(hours(100, "life"))
			end = latest(end, until.Add(7*24*time.Hour))
			b.give(t, credits.SourcePromotion, fmt.Sprint(b.subject, i), rapid.Int64Range(1, 9).Draw(rt, "credits"), until)
		}

		for b.time.Now().Before(end) {
			tasks := []uuid.UUID{uuid.New(), uuid.New()}
			_ = b.hold(tasks[0], rapid.Int64Range(1, 9).Draw(rt, "some")) // or there are too few

			has, err := b.Balance(b.ctx, pool, b.user)
			require.NoError(rt, err)
			require.Equal(rt, has.Available == 0, b.hold(tasks[1], max(1, has.Available)) != nil, "all that is left")

			for _, task := range tasks {
				b.time.Move(hours(80, "wait"))

				err := b.tx(func(tx pgx.Tx) error {
					_, err := b.Release(b.ctx, tx, task)

					return err
				})
				require.True(rt, err == nil || errors.Is(err, credits.ErrNoHold), "%v", err)
			}

			left, err := b.Grants(b.ctx, pool, b.user)
			require.NoError(rt, err)

			for _, g := range left {
				require.False(rt, g.ExpiresAt.After(end))
				require.False(rt, g.Source == credits.SourceCompensation && g.ExpiresAt.After(*b.in(72 * time.Hour)))
			}
		}

		has, err := b.Balance(b.ctx, pool, b.user)
		require.NoError(rt, err)
		require.Equal(rt, credits.Balance{}, has)

		violations, err := credits.Audit(b.ctx, pool, b.subject)
		require.NoError(rt, err)
		require.Empty(rt, violations)
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
