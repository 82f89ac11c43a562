package r2_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
)

// put sends what a browser would, with headers in pairs; a length of -1 is the body's own.
func put(t *testing.T, link string, body []byte, length int64, headers ...string) (status int, answer string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link, bytes.NewReader(body))
	require.NoError(t, err)

	if length >= 0 {
		r.ContentLength = length
	}

	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}

	reply, err := (&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return 0, err.Error() // the store hung up in the middle of what it does not want
	}
	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)
	require.NoError(t, err)

	return reply.StatusCode, string(b)
}

func TestBucket_SignPut(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := []byte("twelve bytes")
	terms := storage.Put{ContentType: "image/png", Size: int64(len(body)), Lifetime: 15 * time.Minute}

	t.Run("Works", func(t *testing.T) {
		t.Parallel()

		link, expires, err := b.bucket.SignPut(t.Context(), "u/abc/uploads/works.raw", terms)
		require.NoError(t, err)
		require.Zero(t, b.line.sent.Load(), "signing makes no call")
		require.WithinDuration(t, time.Now().Add(15*time.Minute), expires, 5*time.Second)

		status, answer := put(t, link, body, -1, "Content-Type", "image/png")
		require.Equal(t, http.StatusOK, status, answer)

		got, err := b.truth.Head(t.Context(), "u/abc/uploads/works.raw")
		require.NoError(t, err)
		require.Equal(t, "image/png", got.ContentType)
		require.Equal(t, terms.Size, got.Size)

		// A reply that got lost is answered by doing it again.
		status, _ = put(t, link, body, -1, "Content-Type", "image/png")
		require.Equal(t, http.StatusOK, status)
	})

	t.Run("WhatIsRefused", func(t *testing.T) {
		t.Parallel()
		refusesPuts(t, b, terms, body)
	})

	t.Run("WritesAndNothingElse", func(t *testing.T) {
		t.Parallel()

		require.NoError(t, b.truth.Put(t.Context(), "u/abc/uploads/kept.raw", "image/png", body))

		link, _, err := b.bucket.SignPut(t.Context(), "u/abc/uploads/kept.raw", terms)
		require.NoError(t, err)

		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
			r, err := http.NewRequestWithContext(t.Context(), method, link, nil)
			require.NoError(t, err)

			reply, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
			require.NoError(t, err)
			require.NoError(t, reply.Body.Close())
			require.Equal(t, http.StatusForbidden, reply.StatusCode, method)
		}

		_, err = b.truth.Head(t.Context(), "u/abc/uploads/kept.raw")
		require.NoError(t, err)
	})
}

func refusesPuts(t *testing.T, b *bundle, terms storage.Put, body []byte) {
	t.Helper()

	const name = "u/abc/uploads/refused.raw"

	link, _, err := b.bucket.SignPut(t.Context(), name, terms)
	require.NoError(t, err)

	past := r2.New(options(b.store, func(o *r2.Options) { o.Now = at(time.Now().Add(-time.Hour)) }))
	old, _, err := past.SignPut(t.Context(), name, terms)
	require.NoError(t, err)

	u, err := url.Parse(link)
	require.NoError(t, err)

	signature := u.Query().Get("X-Amz-Signature")
	longer := append(bytes.Clone(body), " and more"...)
	asPNG := []string{"Content-Type", "image/png"}

	for what, c := range map[string]struct {
		link    string
		body    []byte
		length  int64
		headers []string
	}{
		"another type":          {link, body, -1, []string{"Content-Type", "text/html"}},
		"a type with more":      {link, body, -1, []string{"Content-Type", "image/png; charset=utf-8"}},
		"no type":               {link, body, -1, nil},
		"a longer body":         {link, longer, -1, asPNG},
		"a shorter body":        {link, body[:4], -1, asPNG},
		"nothing":               {link, nil, -1, asPNG},
		"another object":        {strings.Replace(link, "refused.raw", "other.raw", 1), body, -1, asPNG},
		"another signature":     {strings.Replace(link, signature, strings.Repeat("0", len(signature)), 1), body, -1, asPNG},
		"no signature":          {strings.Split(link, "?")[0], body, -1, asPNG},
		"a longer life":         {strings.Replace(link, "X-Amz-Expires=900", "X-Amz-Expires=90000", 1), body, -1, asPNG},
		"the length not signed": {strings.Replace(link, "content-length%3B", "", 1), longer, -1, asPNG},
		"an expired link":       {old, body, -1, asPNG},
	} {
		t.Run(what, func(t *testing.T) {
			status, answer := put(t, c.link, c.body, c.length, c.headers...)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, status, answer)
		})
	}

	for _, k := range []string{name, "u/abc/uploads/other.raw"} {
		_, err := b.truth.Head(t.Context(), k)
		require.ErrorIs(t, err, storage.ErrNotFound, k)
	}
}

func TestBucket_SignPut_Form(t *testing.T) {
	t.Parallel()

	bucket := r2.New(r2.Options{
		Endpoint: "https://a.example", AccessKey: "k", SecretKey: redact.NewSecret("s"), Bucket: "b",
		Now: at(time.Date(2026, 11, 22, 15, 0, 0, 1, time.UTC)),
	})

	link, expires, err := bucket.SignPut(t.Context(), "u/x/uploads/1.raw", storage.Put{ContentType: "image/webp", Size: 7, Lifetime: 30 * 24 * time.Hour})
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 29, 15, 0, 0, 0, time.UTC), expires, "no longer than the store accepts")
	require.Contains(t, link, "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost")
	require.Contains(t, link, "X-Amz-Expires=604800")
	require.NotContains(t, strings.ToLower(link), "checksum", "the client would have to send it")
}

func TestBucket_SignGetFor(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := []byte("picture")
	require.NoError(t, b.truth.Put(t.Context(), key, "image/png", body))

	link, expires, err := b.bucket.SignGetFor(t.Context(), key, 10*time.Minute)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), expires, 5*time.Second)

	status, got := get(t, link)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, body, got)

	past := r2.New(options(b.store, func(o *r2.Options) { o.Now = at(time.Now().Add(-11 * time.Minute)) }))
	old, _, err := past.SignGetFor(t.Context(), key, 10*time.Minute)
	require.NoError(t, err)

	status, _ = get(t, old)
	require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, status)
}
