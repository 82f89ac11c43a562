package sweep_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/storage/sweep"
)

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
