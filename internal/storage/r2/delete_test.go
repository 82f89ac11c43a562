package r2_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
)

func TestBucket_Delete(t *testing.T) {
	t.Parallel()

	keys := []string{"u/a/1.png", "u/a/2.png", "u/a/3.png"}
	fill := func(t *testing.T, b *bundle) {
		t.Helper()

		for _, k := range keys {
			require.NoError(t, b.truth.Put(t.Context(), k, "image/png", []byte("x")))
		}
	}
	left := func(t *testing.T, b *bundle) (n int) {
		t.Helper()
		require.NoError(t, b.truth.List(t.Context(), "", func(storage.Object) bool { n++; return true }))

		return n
	}

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		fill(t, b)

		require.NoError(t, b.bucket.Delete(t.Context(), keys[0], "u/absent.png", keys[2], keys[2]))
		require.Equal(t, 1, left(t, b))
		require.EqualValues(t, 1, b.line.sent.Load())
	})

	t.Run("NothingToDelete", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		require.NoError(t, b.bucket.Delete(t.Context()))
		require.Zero(t, b.line.sent.Load())
		require.NoError(t, b.bucket.Delete(t.Context(), keys...))
	})

	t.Run("InBatches", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		fill(t, b)

		many := make([]string, 0, 1100)
		for i := range 1097 {
			many = append(many, fmt.Sprintf("u/none/%d.png", i))
		}

		require.NoError(t, b.bucket.Delete(t.Context(), append(many, keys...)...))
		require.Zero(t, left(t, b))
		require.EqualValues(t, 3, b.line.sent.Load())
	})

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, always(answers(500, "InternalError"))...)
		fill(t, b)

		require.ErrorContains(t, b.bucket.Delete(t.Context(), keys...), "delete objects: InternalError (status 500)")
		require.Equal(t, 3, left(t, b))
	})

	t.Run("FailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, cut(), cut(), cut(), cut(), cut())
		fill(t, b)

		require.ErrorIs(t, b.bucket.Delete(t.Context(), keys...), io.ErrUnexpectedEOF)
		require.Zero(t, left(t, b))
		require.NoError(t, b.bucket.Delete(t.Context(), keys...))
	})

	t.Run("SomeRefused", func(t *testing.T) {
		t.Parallel()

		// The answer to a batch is 200 even then; an absent object counts as deleted.
		b := setup(t, reply(http.StatusOK, `<DeleteResult>
			<Error><Key>u/a/1.png</Key><Code>InternalError</Code><Message>u/a/1.png</Message></Error>
			<Error><Key>u/a/2.png</Key><Code>NoSuchKey</Code></Error></DeleteResult>`))

		require.EqualError(t, b.bucket.Delete(t.Context(), keys...), "delete objects: 1 of 3: InternalError")
		require.NoError(t, b.bucket.Delete(t.Context(), keys...))
	})

	t.Run("AFailedBatchStopsNoOther", func(t *testing.T) {
		t.Parallel()

		b := setup(t, answers(403, "AccessDenied"))
		fill(t, b)

		many := make([]string, 500, 503)
		for i := range many {
			many[i] = fmt.Sprintf("u/none/%d.png", i)
		}

		require.ErrorContains(t, b.bucket.Delete(t.Context(), append(many, keys...)...), "AccessDenied")
		require.Zero(t, left(t, b))
	})

	for _, status := range []int{400, 501} {
		t.Run(fmt.Sprintf("OneByOneAfter%d", status), func(t *testing.T) {
			t.Parallel()

			b := setup(t, answers(status, "NotImplemented"))
			fill(t, b)

			require.NoError(t, b.bucket.Delete(t.Context(), append(keys, "u/absent.png")...))
			require.Zero(t, left(t, b))
			require.EqualValues(t, 5, b.line.sent.Load())
		})
	}

	t.Run("OneByOneFailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, answers(501, "NotImplemented"), answers(403, "AccessDenied"))
		fill(t, b)

		require.ErrorContains(t, b.bucket.Delete(t.Context(), keys...), "delete object: AccessDenied")
		require.Equal(t, 1, left(t, b))
	})

	t.Run("OneByOneFailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, answers(501, "NotImplemented"), cut(), cut(), cut(), cut(), cut())
		fill(t, b)

		require.ErrorIs(t, b.bucket.Delete(t.Context(), keys...), io.ErrUnexpectedEOF)
		require.Zero(t, left(t, b))
	})
}
