package r2_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/redact"
	"imagerun/internal/storage/r2"
)

func at(now time.Time) clock.Now { return func() time.Time { return now } }

func TestBucket_SignGet(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := []byte("picture")
	require.NoError(t, b.truth.Put(t.Context(), key, "image/png", body))

	link, expires, err := b.bucket.SignGet(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, b.line.sent.Load(), "signing makes no call")

	t.Run("Works", func(t *testing.T) {
		t.Parallel()

		require.Greater(t, time.Until(expires), 59*time.Minute)

		status, got := get(t, link)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, body, got)
	})

	t.Run("TamperedIsRefused", func(t *testing.T) {
		t.Parallel()

		u, err := url.Parse(link)
		require.NoError(t, err)

		signature := u.Query().Get("X-Amz-Signature")
		flipped := strings.Map(func(r rune) rune {
			if r == '0' {
				return '1'
			}

			return '0'
		}, signature)

		for name, tampered := range map[string]string{
			"other object":    strings.Replace(link, "one.png", "two.png", 1),
			"longer life":     strings.Replace(link, "X-Amz-Expires=7200", "X-Amz-Expires=72000", 1),
			"other signature": strings.Replace(link, signature, flipped, 1),
			"no signature":    strings.Split(link, "?")[0],
			"other time":      strings.Replace(link, "T", "U", 1),
		} {
			require.NotEqual(t, link, tampered, name)

			status, got := get(t, tampered)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, status, name)
			require.NotContains(t, string(got), string(body), name)
		}
	})

	t.Run("ForReadingOnly", func(t *testing.T) {
		t.Parallel()

		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, link, nil)
		require.NoError(t, err)

		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
	})

	t.Run("ExpiredIsRefused", func(t *testing.T) {
		t.Parallel()

		past := r2.New(options(b.store, func(o *r2.Options) { o.Now = at(time.Now().Add(-3 * time.Hour)) }))
		old, _, err := past.SignGet(t.Context(), key)
		require.NoError(t, err)

		status, got := get(t, old)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, status)
		require.NotContains(t, string(got), string(body))
	})
}

func TestBucket_SignGet_Windows(t *testing.T) {
	t.Parallel()

	sign := func(now time.Time, window time.Duration) (string, time.Time) {
		o := r2.Options{Endpoint: "https://a.example", AccessKey: "k", SecretKey: redact.NewSecret("s"), Bucket: "b", LinkWindow: window, Now: at(now)}
		link, expires, err := r2.New(o).SignGet(t.Context(), "u/x y/1.png")
		require.NoError(t, err)

		return link, expires
	}

	start := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	first, expires := sign(start, time.Hour)

	require.Equal(t, start.Add(2*time.Hour), expires)
	require.Contains(t, first, "https://a.example/b/u/x%20y/1.png?")
	require.Contains(t, first, "X-Amz-Date=20261122T150000Z")
	require.Contains(t, first, "X-Amz-Expires=7200")
	require.NotContains(t, first, "Checksum")

	// In another time zone, at any moment of the window: the same bytes.
	zone := time.FixedZone("east", 5*3600+1800)
	for _, now := range []time.Time{start.Add(time.Second), start.Add(time.Hour - 1), start.Add(time.Minute).In(zone)} {
		link, until := sign(now, time.Hour)
		require.Equal(t, first, link)
		require.Equal(t, expires, until)
	}

	next, until := sign(start.Add(time.Hour), time.Hour)
	require.NotEqual(t, first, next)
	require.Equal(t, start.Add(3*time.Hour), until)

	// No link lives longer than the seven days that the store accepts.
	long, _ := sign(start, 30*24*time.Hour)
	require.Contains(t, long, "X-Amz-Expires=604800")
}
