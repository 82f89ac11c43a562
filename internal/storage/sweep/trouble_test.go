package sweep_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
	"imagerun/internal/storage/sweep"
)

// Whatever cannot be read, nothing is deleted on the evidence of it.
func TestRun_NeverActsOnHalfAPage(t *testing.T) {
	t.Parallel()

	away := errors.New("away")

	for name, breaks := range map[string]func(b *bundle){
		"TheListing": func(b *bundle) { b.bucket.page = func() error { return away } },
		"TheRows":    func(b *bundle) { b.images.page = func([]storage.Record) ([]storage.Record, error) { return nil, away } },
		// Half of the rows came, and then the connection went.
		"HalfTheRows": func(b *bundle) {
			b.images.page = func(r []storage.Record) ([]storage.Record, error) { return r[:1], away }
		},
		"TheSecondLook": func(b *bundle) { b.images.find = func() error { return away } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.whole(t)
			b.put(t, b.orphan())
			breaks(b)

			r, _, err := b.run(t)
			require.ErrorIs(t, err, away)
			require.Len(t, b.keys(t), 3)
			require.Equal(t, sweep.Report{}, r, "a step that failed counts nothing")
		})
	}

	t.Run("TheSecondPage", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for range 5 {
			b.put(t, b.orphan())
		}

		b.bucket.page = func() error {
			if len(b.bucket.afters) == 2 {
				return away
			}

			return nil
		}

		r, _, err := b.run(t, func(o *sweep.Options) { o.Page = 2 })
		require.ErrorIs(t, err, away)
		require.Len(t, b.keys(t), 3, "the first page was whole")
		require.Equal(t, int64(2), r.Deleted)
	})
}

func TestRun_Deletions(t *testing.T) {
	t.Parallel()

	refuse := func(keys ...string) error {
		return &storage.NotDeletedError{Keys: keys, Cause: errors.New("refused")}
	}

	t.Run("OneIsRefused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		bad := b.orphan()
		b.put(t, b.orphan(), bad, b.orphan())

		b.bucket.remove = func(keys []string) error {
			for _, key := range keys {
				if key != bad {
					require.NoError(t, b.bucket.Bucket.Delete(t.Context(), key))
				}
			}

			return refuse(bad)
		}

		r, _, err := b.run(t)
		require.NoError(t, err)
		require.Equal(t, []string{bad}, b.keys(t))
		require.Equal(t, []int64{3, 2, 1, 14}, []int64{r.Orphans, r.Deleted, r.NotDeleted, r.DeletedBytes})
		require.False(t, r.Settled())
	})

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.put(t, b.orphan())
		b.bucket.remove = func(keys []string) error { return refuse(keys...) }

		r, _, err := b.run(t)
		require.ErrorContains(t, err, "delete orphans: refused")
		require.Zero(t, r.Deleted)

		b.bucket.remove = nil
		r, _, err = b.run(t)
		require.NoError(t, err)
		require.Equal(t, int64(1), r.Deleted)
	})

	t.Run("FailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.put(t, b.orphan())
		b.bucket.remove = func(keys []string) error {
			require.NoError(t, b.bucket.Bucket.Delete(t.Context(), keys...))

			return refuse(keys...)
		}

		_, _, err := b.run(t)
		require.ErrorContains(t, err, "delete orphans: refused")

		b.bucket.remove = nil
		r, _, err := b.run(t)
		require.NoError(t, err)
		require.True(t, r.Clean())
	})
}

// Far more wrong than right: it looks at the wrong bucket, or the wrong database.
func TestRun_StopsWhereTooMuchIsWrong(t *testing.T) {
	t.Parallel()

	t.Run("Orphans", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		keys := make([]string, 150)
		for i := range keys {
			keys[i] = b.orphan()
		}

		b.put(t, keys...)

		_, _, err := b.run(t)
		require.ErrorIs(t, err, sweep.ErrImplausible)
		require.Len(t, b.keys(t), 150)

		r, _, err := b.run(t, func(o *sweep.Options) { o.DryRun = true })
		require.NoError(t, err, "to count them all is harmless")
		require.Equal(t, int64(150), r.Orphans)

		_, _, err = b.run(t, func(o *sweep.Options) { o.Force = true })
		require.NoError(t, err)
		require.Empty(t, b.keys(t))
	})

	t.Run("Losses", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for range 70 {
			b.row(t, "succeeded", "stored") // two keys each
		}

		_, _, err := b.run(t)
		require.ErrorIs(t, err, sweep.ErrImplausible)
		require.Empty(t, b.lost(t), "no user is told that their images are gone")

		_, _, err = b.run(t, func(o *sweep.Options) { o.Force = true })
		require.NoError(t, err)
		require.Len(t, b.lost(t), 140)
	})
}
