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

	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
)

func TestBucket_Get(t *testing.T) {
	t.Parallel()

	body := bytes.Repeat([]byte("picture "), 400_000)

	read := func(t *testing.T, b *bundle) {
		t.Helper()

		r, err := b.bucket.Get(t.Context(), key)
		require.NoError(t, err)

		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, got))
		require.NoError(t, r.Close())
	}

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", body))
		read(t, b)
		require.EqualValues(t, 1, b.line.sent.Load())
	})

	t.Run("TriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t, answers(503, "SlowDown"), refused(), cut())
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", body))
		read(t, b)
	})

	t.Run("Absent", func(t *testing.T) {
		t.Parallel()

		_, err := setup(t).bucket.Get(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("Failed", func(t *testing.T) {
		t.Parallel()

		_, err := setup(t, answers(403, "AccessDenied")).bucket.Get(t.Context(), key)
		require.EqualError(t, err, "get object: AccessDenied (status 403), ray 8f0e1d2c3b4a5968-FRA")

		_, err = setup(t, always(refused())...).bucket.Get(t.Context(), key)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)

		_, err = setup(t, answers(404, "NoSuchBucket")).bucket.Get(t.Context(), key)
		require.ErrorContains(t, err, "NoSuchBucket")
		require.NotErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("ClosedInTheMiddle", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", body))

		r, err := b.bucket.Get(t.Context(), key)
		require.NoError(t, err)

		_, err = io.ReadFull(r, make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		read(t, b)
	})
}

// A body that breaks off, or stops coming, is an error and never a shorter object.
func TestBucket_Get_BrokenBody(t *testing.T) {
	t.Parallel()

	over := make(chan struct{})
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "0123456789")
		_ = http.NewResponseController(w).Flush()

		if r.URL.Path == "/b/stalls" {
			<-over
		}

		panic(http.ErrAbortHandler)
	}))

	t.Cleanup(func() { close(over); store.Close() })

	at := func(server *httptest.Server) *r2.Bucket {
		return r2.New(r2.Options{
			Endpoint: server.URL, AccessKey: "a", SecretKey: redact.NewSecret("s"), Bucket: "b", Timeout: 100 * time.Millisecond, Now: time.Now,
		})
	}

	for name, want := range map[string]error{"breaks": io.ErrUnexpectedEOF, "stalls": context.DeadlineExceeded} {
		r, err := at(store).Get(t.Context(), name)
		require.NoError(t, err)

		got, err := io.ReadAll(r)
		require.ErrorIs(t, err, want, name)
		require.ErrorContains(t, err, "read object")
		require.NotContains(t, err.Error(), store.URL)
		require.Equal(t, "0123456789", string(got))

		_ = r.Close()
	}

	// A reader that takes its time is not the store's fault.
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	t.Cleanup(slow.Close)

	r, err := at(slow).Get(t.Context(), "k")
	require.NoError(t, err)

	pause := time.NewTimer(200 * time.Millisecond)
	<-pause.C

	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, n)
	require.NoError(t, r.Close())
}
