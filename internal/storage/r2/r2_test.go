package r2_test

import (
	"bytes"
	"context"
	"fmt"
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

const key = "u/abc/def/one.png"

func TestBucket_Put(t *testing.T) {
	t.Parallel()

	body := bytes.Repeat([]byte("picture "), 400_000) // beyond the size that once waited for a 100-continue

	t.Run("Worked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		before := time.Now().Add(-2 * time.Second)

		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))

		got, err := b.truth.Head(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, key, got.Key)
		require.Equal(t, int64(len(body)), got.Size)
		require.Equal(t, "image/png", got.ContentType)
		require.WithinRange(t, got.ModifiedAt, before, time.Now().Add(2*time.Second))
		require.Equal(t, time.UTC, got.ModifiedAt.Location())
		require.EqualValues(t, 1, b.line.sent.Load())
	})

	t.Run("Replaces", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))
		require.NoError(t, b.bucket.Put(t.Context(), key, "image/jpeg", []byte("other")))
		requireBody(t, b, key, []byte("other"))
	})

	t.Run("EmptyBody", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", nil))
		requireBody(t, b, key, nil)
	})

	// The first status is retried by the SDK itself; R2 and Cloudflare send the others.
	for _, status := range []int{500, 503, 429, 520, 522, 524} {
		t.Run(fmt.Sprintf("RetriedAfter%d", status), func(t *testing.T) {
			t.Parallel()

			b := setup(t, answers(status, "TooManyRequests"), refused())

			require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))
			requireBody(t, b, key, body)
			require.EqualValues(t, 3, b.line.sent.Load())
		})
	}

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, always(refused())...)
		err := b.bucket.Put(t.Context(), key, "image/png", body)

		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "put object: no answer: connection refused")
		require.EqualValues(t, 5, b.line.sent.Load())

		_, err = b.truth.Head(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("RefusedAtOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t, always(answers(403, "AccessDenied"))...)
		err := b.bucket.Put(t.Context(), key, "image/png", body)

		require.EqualError(t, err, "put object: AccessDenied (status 403), ray 8f0e1d2c3b4a5968-FRA")
		require.EqualValues(t, 1, b.line.sent.Load())
	})

	t.Run("FailedButDidHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t, cut(), cut(), cut(), cut(), cut())

		require.ErrorIs(t, b.bucket.Put(t.Context(), key, "image/png", body), io.ErrUnexpectedEOF)
		requireBody(t, b, key, body)

		// The job that tries again overwrites its own object.
		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))
		requireBody(t, b, key, body)
	})

	t.Run("ReplyLostOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t, cut())

		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))
		requireBody(t, b, key, body)
	})

	t.Run("DamagedOnTheWayIsRefused", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		// Behind TLS the body is not part of the signature: only the checksum protects it.
		proxy := tlsProxy(t, b.store.URL, func(r *http.Request) {
			if r.Method == http.MethodPut {
				r.Body = io.NopCloser(bytes.NewReader(bytes.ToUpper(body)))
			}
		})
		bucket := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint, o.HTTPClient = proxy.URL, proxy.Client() }))

		var failure *r2.Error
		require.ErrorAs(t, bucket.Put(t.Context(), key, "image/png", body), &failure)
		require.Equal(t, "BadDigest", failure.Code)

		_, err := b.truth.Head(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

func TestBucket_Head(t *testing.T) {
	t.Parallel()

	t.Run("Absent", func(t *testing.T) {
		t.Parallel()

		_, err := setup(t).bucket.Head(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("Failed", func(t *testing.T) {
		t.Parallel()

		_, err := setup(t, always(answers(403, ""))...).bucket.Head(t.Context(), key)
		require.ErrorContains(t, err, "head object")
		require.ErrorContains(t, err, "403")
		require.NotErrorIs(t, err, storage.ErrNotFound)
	})

	t.Run("ReplyLostOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t, cut())
		require.NoError(t, b.truth.Put(t.Context(), key, "image/png", []byte("x")))

		got, err := b.bucket.Head(t.Context(), key)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Size)
	})
}

func TestBucket_List(t *testing.T) {
	t.Parallel()

	b := setup(t, cut())

	var want []string

	for i := range 12 {
		k := fmt.Sprintf("u/a/%02d.png", i)
		want = append(want, k)
		require.NoError(t, b.truth.Put(t.Context(), k, "image/png", []byte(k)))
	}

	require.NoError(t, b.truth.Put(t.Context(), "u/b/other.png", "image/png", nil))

	t.Run("UnderAPrefix", func(t *testing.T) {
		t.Parallel()

		var got []string

		require.NoError(t, b.bucket.List(t.Context(), "u/a/", func(o storage.Object) bool {
			require.EqualValues(t, len(o.Key), o.Size)
			require.False(t, o.ModifiedAt.IsZero())
			got = append(got, o.Key)

			return true
		}))
		require.Equal(t, want, got)
	})

	t.Run("StopsWhenTold", func(t *testing.T) {
		t.Parallel()

		seen := 0
		require.NoError(t, b.truth.List(t.Context(), "", func(storage.Object) bool { seen++; return seen < 3 }))
		require.Equal(t, 3, seen)
	})

	t.Run("NothingThere", func(t *testing.T) {
		t.Parallel()

		require.NoError(t, b.truth.List(t.Context(), "none/", func(storage.Object) bool { t.Error("nothing to yield"); return true }))
	})

	t.Run("FollowsPages", func(t *testing.T) {
		t.Parallel()

		paged := setup(t, page(true, "a", "b"), refused(), page(false, "c"))

		var got []string

		require.NoError(t, paged.bucket.List(t.Context(), "", func(o storage.Object) bool { got = append(got, o.Key); return true }))
		require.Equal(t, []string{"a", "b", "c"}, got)
	})

	t.Run("Failed", func(t *testing.T) {
		t.Parallel()

		failing := setup(t, always(answers(503, "SlowDown"))...)
		err := failing.bucket.List(t.Context(), "", func(storage.Object) bool { return true })
		require.EqualError(t, err, "list objects: SlowDown (status 503), ray 8f0e1d2c3b4a5968-FRA")
	})
}

func TestBucket_ContextAndTimeout(t *testing.T) {
	t.Parallel()

	t.Run("CallerGivesUp", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		require.ErrorIs(t, b.bucket.Put(ctx, key, "image/png", nil), context.Canceled)
	})

	t.Run("StoreNeverAnswers", func(t *testing.T) {
		t.Parallel()

		over := make(chan struct{}) // a server that has not read the body does not notice that the client left
		silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))

		t.Cleanup(func() { close(over); silent.Close() })

		b := setup(t)
		bucket := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint, o.Timeout = silent.URL, 100*time.Millisecond }))

		for _, err := range []error{
			bucket.Put(t.Context(), key, "image/png", nil),
			bucket.Delete(t.Context(), key),
			bucket.List(t.Context(), "", func(storage.Object) bool { return true }),
			bucket.Ready(t.Context()),
		} {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotContains(t, err.Error(), silent.URL)
		}
	})
}

func TestBucket_Ready(t *testing.T) {
	t.Parallel()

	b := setup(t)

	require.NoError(t, b.bucket.Ready(t.Context()))

	tests := map[string]func(*r2.Options){
		"other secret": func(o *r2.Options) { o.SecretKey = redact.NewSecret("wrong") },
		"other bucket": func(o *r2.Options) { o.Bucket = "no-such-bucket" },
		"not there":    func(o *r2.Options) { o.Endpoint = "http://127.0.0.1:1" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			require.ErrorContains(t, r2.New(options(b.store, change)).Ready(t.Context()), "reach bucket")
		})
	}

	t.Run("one attempt", func(t *testing.T) {
		t.Parallel()

		down := setup(t, always(answers(500, "InternalError"))...)
		require.Error(t, down.bucket.Ready(t.Context()))
		require.EqualValues(t, 1, down.line.sent.Load())
	})
}

func TestBucket_WrongSecretIsRefused(t *testing.T) {
	t.Parallel()

	b := setup(t)
	require.NoError(t, b.truth.Put(t.Context(), key, "image/png", []byte("x")))

	wrong := r2.New(options(b.store, func(o *r2.Options) { o.SecretKey = redact.NewSecret("wrong") }))

	_, headErr := wrong.Head(t.Context(), key)
	for _, err := range []error{
		headErr,
		wrong.Put(t.Context(), key, "image/png", []byte("y")),
		wrong.Delete(t.Context(), key),
		wrong.List(t.Context(), "", func(storage.Object) bool { return true }),
	} {
		var failure *r2.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, http.StatusForbidden, failure.Status)
	}

	requireBody(t, b, key, []byte("x"))
}

// Over TLS the SDK sends other requests than over plain http: R2 sees these.
func TestBucket_OverTLS(t *testing.T) {
	t.Parallel()

	b := setup(t)
	proxy := tlsProxy(t, b.store.URL, func(*http.Request) {})
	bucket := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint, o.HTTPClient = proxy.URL, proxy.Client() }))
	body := bytes.Repeat([]byte("picture "), 400_000)

	require.NoError(t, bucket.Put(t.Context(), key, "image/png", body))
	requireBody(t, b, key, body)

	got, err := bucket.Head(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, len(body), got.Size)

	seen := 0
	require.NoError(t, bucket.List(t.Context(), "", func(storage.Object) bool { seen++; return true }))
	require.Equal(t, 1, seen)

	require.NoError(t, bucket.Delete(t.Context(), key))

	_, err = b.truth.Head(t.Context(), key)
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// What R2 does not understand, or answers late, must never be sent.
func TestBucket_WhatIsOnTheWire(t *testing.T) {
	t.Parallel()

	b := setup(t)
	headers := make(chan http.Header, 1)
	proxy := tlsProxy(t, b.store.URL, func(r *http.Request) { headers <- r.Header.Clone() })
	bucket := r2.New(options(b.store, func(o *r2.Options) { o.Endpoint, o.HTTPClient = proxy.URL, proxy.Client() }))

	require.NoError(t, bucket.Put(t.Context(), key, "image/png", bytes.Repeat([]byte("x"), 3<<20)))

	sent := <-headers
	require.Equal(t, "UNSIGNED-PAYLOAD", sent.Get("X-Amz-Content-Sha256"))
	require.Equal(t, "private, max-age=3600", sent.Get("Cache-Control"))
	require.NotEmpty(t, sent.Get("X-Amz-Checksum-Sha256"))

	for _, absent := range []string{"Expect", "X-Amz-Trailer", "Content-Encoding", "X-Amz-Checksum-Crc32", "X-Amz-Acl"} {
		require.Empty(t, sent.Get(absent), absent)
	}
}
