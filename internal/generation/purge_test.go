package generation_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

// purge runs what the schedule stages, and what it finds to do.
func (b *bundle) purge(t *testing.T) {
	t.Helper()
	b.ledger(t, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.PurgeGenerations{}, durable.Key("purge"))

		return err
	})
	b.jobs.RunAll(t.Context())
}

// forsake ends the only job of a kind in a way that leaves its row as it is.
func (b *bundle) forsake(t *testing.T, kind, how string) {
	t.Helper()

	tag, err := b.pool.Exec(t.Context(), map[string]string{
		"removed":       `delete from job where kind = $1`,
		"dead":          `update job set state = 'dead', died_at = now(), holder = null, lease_until = null where kind = $1`,
		"dead for long": `update job set state = 'dead', died_at = now() - interval '2 days', holder = null, lease_until = null where kind = $1`,
	}[how], kind)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

// What a generation that has ended is still owed is done without the job that should have: at once where that was removed, a day
// after its death where it died, and an attempt is over when nothing can come of it any more.
func TestPurge_Unattended(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		stage func(t *testing.T, b *bundle) // stages the kind
		kind  string
		done  func(t *testing.T, b *bundle) bool
	}{
		"Erasure": {
			stage: func(t *testing.T, b *bundle) {
				t.Helper()

				g := b.start(t)
				b.provider.finish(t, 0)
				b.pass(t, 30*time.Second)
				require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
			},
			kind: "generation.erase",
			done: func(t *testing.T, b *bundle) bool {
				t.Helper()

				return erased(t, b) && len(b.bucket.keys()) == 0
			},
		},
		"CopyAtTheProvider": {
			stage: func(t *testing.T, b *bundle) {
				t.Helper()
				b.start(t)
				b.provider.finish(t, 0)
				b.now.Move(30 * time.Second)
				b.jobs.Advance(30 * time.Second)
				require.True(t, b.jobs.RunNext(t.Context()))
			},
			kind: "generation.erase_attempt",
			done: func(_ *testing.T, b *bundle) bool { return b.provider.erased["request-a"] },
		},
		"OpenAttempt": {
			stage: func(t *testing.T, b *bundle) {
				t.Helper()
				b.start(t)
				expire(t, b)
			},
			kind: "generation.cancel",
			done: func(_ *testing.T, b *bundle) bool {
				return b.provider.canceled["request-a"] && b.provider.erased["request-a"]
			},
		},
	} {
		for how, atOnce := range map[string]bool{"removed": true, "dead": false, "dead for long": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()

				b := setup(t)
				c.stage(t, b)
				b.forsake(t, c.kind, how)

				b.purge(t)
				require.Equal(t, atOnce, c.done(t, b))
				b.purge(t)
				require.Equal(t, atOnce, c.done(t, b), "a rest is a rest")

				_, err := b.pool.Exec(t.Context(), `update job set died_at = died_at - interval '1 day'`)
				require.NoError(t, err)
				b.purge(t)
				require.True(t, c.done(t, b))
				b.pass(t, time.Hour)
				require.Empty(t, b.jobs.Pending())
				b.check(t)
			})
		}
	}

	t.Run("AnAttemptOfWhichNothingCanCome", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.start(t)
		expire(t, b) // after ten minutes
		b.forsake(t, "generation.cancel", "dead")

		open := func() (n int) {
			require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from provider_attempt where finished_at is null`).Scan(&n))

			return n
		}

		b.now.Move(3*time.Hour - 11*time.Minute)
		b.purge(t)
		require.Equal(t, 1, open(), "its provider may have something yet")

		b.now.Move(2 * time.Minute)
		b.purge(t)
		require.Zero(t, open())

		b.purge(t)
		require.True(t, b.provider.erased["request-a"])
		b.pass(t, time.Hour)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("WhatIsAttended", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.start(t)
		b.purge(t)
		require.Len(t, b.jobs.Pending(), 1, "one that runs is its jobs' and its deadline's")
	})
}
