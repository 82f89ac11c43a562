package r2_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/redact"
	"imagerun/internal/storage/r2"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// fault stands between the client and the store for one request. It either lets it through by
// calling send, or not.
type fault func(send func() (*http.Response, error)) (*http.Response, error)

// line is an HTTP client whose first requests meet faults; later ones, and those whose fault
// is nil, pass.
type line struct {
	client *http.Client
	faults []fault
	sent   atomic.Int64
}

// Do implements s3.HTTPClient.
func (l *line) Do(r *http.Request) (*http.Response, error) {
	n := int(l.sent.Add(1)) - 1
	send := func() (*http.Response, error) { return l.client.Do(r) }

	if n < len(l.faults) && l.faults[n] != nil {
		return l.faults[n](send)
	}

	return send()
}

// answers never reaches the store.
func answers(status int, code string) fault {
	return reply(status, "<Error><Code>"+code+"</Code><Message>secret words</Message></Error>")
}

// page is one page of a listing, which never comes from the store.
func page(more bool, keys ...string) fault {
	xml := "<ListBucketResult>"
	for _, k := range keys {
		xml += "<Contents><Key>" + k + "</Key><Size>1</Size></Contents>"
	}

	if more {
		xml += "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"
	}

	return reply(http.StatusOK, xml+"</ListBucketResult>")
}

func reply(status int, xml string) fault {
	return func(func() (*http.Response, error)) (*http.Response, error) {
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/xml"}, "Cf-Ray": {"8f0e1d2c3b4a5968-FRA"}},
			Body:       io.NopCloser(strings.NewReader(xml)),
		}, nil
	}
}

// refused never reaches the store.
func refused() fault {
	return func(func() (*http.Response, error)) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
}

// cut loses the reply after the store has acted.
func cut() fault {
	return func(send func() (*http.Response, error)) (*http.Response, error) {
		resp, err := send()
		if err != nil {
			return nil, err
		}

		_, err = io.Copy(io.Discard, resp.Body)

		return nil, errors.Join(err, resp.Body.Close(), io.ErrUnexpectedEOF)
	}
}

// always is more faults of one kind than a call has attempts.
func always(f fault) []fault { return []fault{f, f, f, f, f, f, f, f} }

// bundle is a bucket, the same bucket on a line without faults, and the line.
type bundle struct {
	bucket *r2.Bucket
	truth  *r2.Bucket
	line   *line
	store  devtest.Bucket
}

func setup(t *testing.T, faults ...fault) *bundle {
	t.Helper()

	store := devtest.S3(t)
	l := &line{client: &http.Client{Transport: &http.Transport{}}, faults: faults}

	t.Cleanup(l.client.CloseIdleConnections)

	return &bundle{
		bucket: r2.New(options(store, func(o *r2.Options) { o.HTTPClient = l })),
		truth:  r2.New(options(store, nil)),
		line:   l,
		store:  store,
	}
}

func options(store devtest.Bucket, change func(*r2.Options)) r2.Options {
	o := r2.Options{
		Endpoint:   store.URL,
		Region:     store.Region,
		AccessKey:  store.AccessKey,
		SecretKey:  redact.NewSecret(store.SecretKey),
		Bucket:     store.Name,
		Timeout:    20 * time.Second,
		MaxBackoff: time.Millisecond,
		Now:        clock.System,
	}
	if change != nil {
		change(&o)
	}

	return o
}

// tlsProxy stands before the store as Cloudflare's edge does. It leaves host, path and query as
// they are, because they are signed.
func tlsProxy(t *testing.T, target string, see func(*http.Request)) *httptest.Server {
	t.Helper()

	u, err := url.Parse(target)
	require.NoError(t, err)

	server := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = u.Scheme, u.Host, r.In.Host
		see(r.Out)
	}})
	t.Cleanup(server.Close)

	return server
}

// requireBody reads the object as a user would: through a link.
func requireBody(t *testing.T, b *bundle, key string, want []byte) {
	t.Helper()

	link, _, err := b.truth.SignGet(t.Context(), key)
	require.NoError(t, err)

	status, got := get(t, link)
	require.Equal(t, http.StatusOK, status)
	require.True(t, bytes.Equal(want, got), "%d bytes instead of %d", len(got), len(want))
}

func get(t *testing.T, link string) (int, []byte) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)

	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)

	body, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))

	return resp.StatusCode, body
}
