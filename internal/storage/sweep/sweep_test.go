package sweep_test

import (
	"errors"
	"sync"
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

// The two sides are read at different times; what happens in between is not held against anyone.
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
		require.Empty(t, b.lost(t), "nobody is told that their images are gone")

		_, _, err = b.run(t, func(o *sweep.Options) { o.Force = true })
		require.NoError(t, err)
		require.Len(t, b.lost(t), 140)
	})
}

// Each side has its own idea of a page; together they miss nothing and see nothing twice.
func TestRun_Pages(t *testing.T) {
	t.Parallel()

	for name, size := range map[string]int{"One": 1, "Three": 3, "Seven": 7, "All": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)

			var strays, lost []string

			for range 6 {
				b.whole(t)
				strays = append(strays, b.orphan())
				p := b.row(t, "succeeded", "stored")
				lost = append(lost, p.key, p.thumbnail)
			}

			b.put(t, strays...)

			r, found, err := b.run(t, func(o *sweep.Options) { o.Page = size })
			require.NoError(t, err)
			require.ElementsMatch(t, strays, found[sweep.Orphan])
			require.ElementsMatch(t, lost, found[sweep.Lost])
			require.Equal(t, int64(18), r.Objects)
			require.Equal(t, int64(24), r.Records)
			require.IsIncreasing(t, b.bucket.afters)
		})
	}
}

// An operator and the night, or two workers of which one has lost its job and does not know yet.
func TestRun_TwoAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var keys, strays []string

	for range 20 {
		p := b.whole(t)
		keys, strays = append(keys, p.key, p.thumbnail), append(strays, b.orphan())
	}

	b.put(t, strays...)

	var wg sync.WaitGroup

	for range 3 {
		wg.Go(func() {
			var r sweep.Report

			one := sweep.New(b.bucket.Bucket, func() time.Time { return time.Now().Add(b.ahead) }, b.images.Objects)
			if err := one.Run(t.Context(), sweep.Options{Page: 7, Grace: sweep.DefaultGrace}, &r, nil); err != nil {
				t.Error(err)
			}
		})
	}

	wg.Wait()
	require.ElementsMatch(t, keys, b.keys(t))
	require.Empty(t, b.lost(t))
}
