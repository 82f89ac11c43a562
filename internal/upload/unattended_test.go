package upload_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/upload"
)

// forsake ends the jobs of a kind in a way that leaves their uploads as they are.
func (b *bundle) forsake(t *testing.T, kind, how string) {
	t.Helper()

	tag, err := b.pool.Exec(t.Context(), map[string]string{
		"removed":           `delete from job where kind = $1`,
		"dead without hook": `update job set state = 'dead', died_at = now(), holder = null, lease_until = null where kind = $1`,
		"dead for long":     `update job set state = 'dead', died_at = now() - interval '2 days', holder = null, lease_until = null where kind = $1`,
	}[how], kind)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

// inspecting takes a file to its inspection, and no further.
func (b *bundle) inspecting(t *testing.T) uuid.UUID {
	t.Helper()

	u := b.sent(t, "image/png", pngOf(32, 32))
	_, err := b.Complete(t.Context(), b.user, u.ID)
	require.NoError(t, err)

	return u.ID
}

// An inspection whose job is gone begins anew, and does not keep the upload from being erased.
func TestUnattended_Inspection(t *testing.T) {
	t.Parallel()

	for _, how := range []string{"removed", "dead without hook"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			lost := b.inspecting(t)
			b.forsake(t, "upload.inspect", how)

			b.pass(t, 16*time.Minute)
			b.purge(t)
			require.Equal(t, upload.StatusReady, b.get(t, lost).Status)
			require.NoError(t, b.Delete(t.Context(), b.user, lost))
			b.jobs.RunAll(t.Context())

			_, err := b.pool.Exec(t.Context(), `delete from job`)
			require.NoError(t, err)

			deleted := b.inspecting(t)
			b.forsake(t, "upload.inspect", how)
			require.NoError(t, b.Delete(t.Context(), b.user, deleted))
			b.jobs.RunAll(t.Context())
			b.pass(t, 2*time.Second)
			require.Empty(t, b.bucket.objects(t))

			b.pass(t, 2*time.Hour)
			b.purge(t)
			require.Zero(t, b.count(t, `select count(*) from upload`))
			require.Empty(t, b.jobs.Pending())
		})
	}

	t.Run("OneThatLivesIsLeftAlone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		id := b.inspecting(t)
		b.bucket.fail(&b.bucket.before, "get")
		b.jobs.RunAll(t.Context())
		b.now.Move(16 * time.Minute)
		b.purge(t)
		require.Len(t, b.jobs.Pending(), 1)
		require.Equal(t, upload.StatusInspecting, b.get(t, id).Status)

		require.NoError(t, b.Delete(t.Context(), b.user, id))
		require.True(t, b.jobs.RunNext(t.Context()))
		require.Equal(t, 1, b.count(t, `select count(*) from upload where status = 'inspecting'`), "it may put an object yet")
	})
}

// An erasure whose job is gone begins anew; one that died has a rest, because it may have taken its workers down.
func TestUnattended_Erasure(t *testing.T) {
	t.Parallel()

	for how, erased := range map[string]bool{"removed": true, "dead without hook": false, "dead for long": true} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			u := b.inspected(t, "image/png", pngOf(32, 32))
			b.now.Move(2 * time.Hour)
			require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
			b.forsake(t, "upload.erase", how)

			b.purge(t)
			require.Equal(t, erased, !b.exists(t, u.ID))

			_, err := b.pool.Exec(t.Context(), `update job set died_at = died_at - interval '1 day'`)
			require.NoError(t, err)
			b.purge(t)
			require.False(t, b.exists(t, u.ID))
			require.Empty(t, b.bucket.objects(t))
			require.Empty(t, b.jobs.Pending())
		})
	}
}
