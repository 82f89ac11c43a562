package r2_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
)

func TestBucket_Open(t *testing.T) {
	t.Parallel()

	content := bytes.Repeat([]byte("picture "), 100_000)

	read := func(t *testing.T, bucket *r2.Bucket) ([]byte, storage.Object) {
		t.Helper()

		r, o, err := bucket.Open(t.Context(), key)
		require.NoError(t, err)

		b, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())

		return b, o
	}

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", content))

		got, o := read(t, b.bucket)
		require.Equal(t, content, got)
		require.Equal(t, storage.Object{Key: key, Size: int64(len(content)), ContentType: "image/png", ModifiedAt: o.ModifiedAt}, o)
	})

	t.Run("NotToTheEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", content))

		r, _, err := b.bucket.Open(t.Context(), key)
		require.NoError(t, err)

		_, err = r.Read(make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, r.Close())
	})

	t.Run("Absent", func(t *testing.T) {
		t.Parallel()

		_, _, err := setup(t).bucket.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("TriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t, answers(500, "InternalError"), refused())
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", content))

		got, _ := read(t, b.bucket)
		require.Equal(t, content, got)
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		_, _, err := setup(t, always(answers(403, "AccessDenied"))...).bucket.Open(t.Context(), key)
		require.EqualError(t, err, "get object: AccessDenied (status 403), ray 8f0e1d2c3b4a5968-FRA")

		_, _, err = setup(t, always(refused())...).bucket.Open(t.Context(), key)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})

	// A body that ends early is an error of the reader, never a shorter picture.
	t.Run("CutOff", func(t *testing.T) {
		t.Parallel()

		store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("half"))
		}))
		t.Cleanup(store.Close)

		b := setup(t)

		r, _, err := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint = store.URL })).Open(t.Context(), key)
		require.NoError(t, err)

		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NotContains(t, err.Error(), store.URL)
		require.NoError(t, r.Close())
	})

	t.Run("NeverAnswered", func(t *testing.T) {
		t.Parallel()

		over := make(chan struct{})
		silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))

		t.Cleanup(func() { close(over); silent.Close() })

		b := setup(t)

		_, _, err := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint, o.Timeout = silent.URL, 100*time.Millisecond })).Open(t.Context(), key)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), silent.URL)
	})
}
