package sweep_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
	"imagerun/internal/storage/sweep"
)

// Every state of a row with and without its objects, and every stray object.
func TestRun_JudgesEachCase(t *testing.T) {
	t.Parallel()

	b := setup(t)
	kept := b.whole(t)

	var wanted, unwanted []string

	for _, c := range []struct {
		task, image string
		wanted      bool
	}{
		{"storing", "pending", true}, {"storing", "stored", true}, {"partial", "stored", true},
		{"succeeded", "stored", true}, {"canceled", "stored", true},
		{"blocked", "blocked", false}, {"failed", "failed", false}, {"partial", "failed", false}, {"expired", "failed", false},
		{"failed", "pending", false},
	} {
		p := b.row(t, c.task, c.image)
		b.put(t, p.key, p.thumbnail)

		if c.wanted {
			wanted = append(wanted, p.key, p.thumbnail)
		} else {
			unwanted = append(unwanted, p.key, p.thumbnail)
		}
	}

	// Being erased: its job deletes the objects, and then the row.
	erased := b.whole(t)
	half := b.row(t, "succeeded", "stored")
	_, err := b.pool.Exec(t.Context(), `update ai_task set deleted_at = now() where id = any($1)`, []any{erased.task, half.task})
	require.NoError(t, err)
	b.row(t, "queued", "pending")

	gone := b.row(t, "succeeded", "stored")
	noThumbnail := b.row(t, "succeeded", "stored")
	b.put(t, noThumbnail.key)

	stray := b.orphan()
	foreign := []string{"backup.tar", "u/notes.txt", "zz/9.png"}
	b.put(t, append(foreign, stray)...)

	before := b.keys(t)

	// A dry run says the same and changes nothing.
	r, dry, err := b.run(t, func(o *sweep.Options) { o.DryRun = true })
	require.NoError(t, err)
	require.Equal(t, before, b.keys(t))
	require.Empty(t, b.lost(t))
	require.Zero(t, r.Deleted)

	r, found, err := b.run(t)
	require.NoError(t, err)
	require.ElementsMatch(t, append(unwanted, stray), found[sweep.Orphan])
	require.ElementsMatch(t, foreign, found[sweep.Foreign])
	require.ElementsMatch(t, []string{gone.key, gone.thumbnail, noThumbnail.thumbnail}, found[sweep.Lost])

	for what, keys := range found {
		require.ElementsMatch(t, keys, dry[what])
	}

	require.Equal(t, int64(len(before)), r.Objects)
	require.Equal(t, int64(len(unwanted)+1), r.Deleted)
	require.Equal(t, r.Deleted*int64(len("picture")), r.DeletedBytes)
	require.ElementsMatch(t, found[sweep.Lost], b.lost(t))
	require.False(t, r.Settled())

	left := append([]string{kept.key, kept.thumbnail, erased.key, erased.thumbnail, noThumbnail.key}, wanted...)
	require.ElementsMatch(t, append(left, foreign...), b.keys(t))

	// Restored from somewhere: the mark goes. What stays lost is said every night.
	b.put(t, gone.key, gone.thumbnail)

	_, found, err = b.run(t)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{gone.key, gone.thumbnail}, found[sweep.Back])
	require.Equal(t, []string{noThumbnail.thumbnail}, found[sweep.Lost])
	require.Empty(t, found[sweep.Orphan])
	require.Equal(t, []string{noThumbnail.thumbnail}, b.lost(t))
}

func TestRun_LeavesTheYoungAlone(t *testing.T) {
	t.Parallel()

	b := setup(t)
	stray, failed := b.orphan(), b.row(t, "failed", "failed")
	b.put(t, stray, failed.key)

	b.ahead = 23 * time.Hour
	r, found, err := b.run(t)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{stray, failed.key}, found[sweep.Young])
	require.Len(t, b.keys(t), 2)
	require.Zero(t, r.Orphans)
	require.True(t, r.Settled())
	require.False(t, r.Clean())

	b.ahead = 25 * time.Hour
	_, _, err = b.run(t)
	require.NoError(t, err)
	require.Empty(t, b.keys(t))
}

// The two sides are read at different times; what happens in between counts as no finding.
func TestRun_LooksTwice(t *testing.T) {
	t.Parallel()

	t.Run("StoredAfterTheListing", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		p := b.row(t, "storing", "pending")
		b.bucket.paged = func() {
			b.put(t, p.key, p.thumbnail)
			_, err := b.pool.Exec(t.Context(), `update ai_image set status = 'stored' where id = $1`, p.id)
			require.NoError(t, err)
		}

		r, _, err := b.run(t)
		require.NoError(t, err)
		require.True(t, r.Clean(), "%+v", r)
		require.Len(t, b.keys(t), 2)
	})

	t.Run("TheRowsWereReadTooEarly", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.whole(t)
		b.images.page = func([]storage.Record) ([]storage.Record, error) { return nil, nil }

		r, _, err := b.run(t, func(o *sweep.Options) { o.Grace = 0 })
		require.NoError(t, err)
		require.Zero(t, r.Orphans)
		require.Len(t, b.keys(t), 2)
	})

	t.Run("DeletedByItsOwnerInBetween", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		p := b.row(t, "succeeded", "stored")
		b.bucket.head = func() {
			_, err := b.pool.Exec(t.Context(), `update ai_task set deleted_at = now() where id = $1`, p.task)
			require.NoError(t, err)
		}

		r, _, err := b.run(t)
		require.NoError(t, err)
		require.True(t, r.Clean(), "%+v", r)
		require.Empty(t, b.lost(t))
	})

	t.Run("ErasedInBetween", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		p := b.row(t, "succeeded", "stored")
		b.bucket.head = func() {
			_, err := b.pool.Exec(t.Context(), `delete from ai_task where id = $1`, p.task)
			require.NoError(t, err)
		}

		r, _, err := b.run(t)
		require.NoError(t, err)
		require.True(t, r.Clean(), "%+v", r)
	})
}
