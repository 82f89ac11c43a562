package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/outbound"
)

// secret is in the URL, the query, a header and the body of every call, and may be in no error.
const secret = "a-very-private-value"

type bundle struct {
	t      *testing.T
	url    string
	client *outbound.Client
	calls  atomic.Int64 // that arrived
}

// setup makes a vendor that answers by serve, and a client for it.
func setup(t *testing.T, serve http.HandlerFunc, change ...func(*outbound.Options)) *bundle {
	t.Helper()

	b := &bundle{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls.Add(1)
		serve(w, r)
	}))
	b.url = server.URL

	o := outbound.Options{Vendor: "acme", Timeout: 5 * time.Second}
	for _, c := range change {
		c(&o)
	}

	b.client = outbound.New(o)
	t.Cleanup(func() {
		b.client.Close()
		server.Close()
	})

	return b
}

func call(address string) outbound.Call {
	return outbound.Call{
		Operation: "order", Method: http.MethodPost, URL: address + "/" + secret + "?token=" + secret,
		Header: http.Header{"Authorization": {"Bearer " + secret}}, Body: []byte(`{"name":"` + secret + `"}`), JSON: true,
	}
}

func (b *bundle) do(change ...func(*outbound.Call)) (outbound.Reply, error) {
	b.t.Helper()

	c := call(b.url)
	for _, f := range change {
		f(&c)
	}

	return b.client.Do(b.t.Context(), c)
}

// requireFailed checks an error in all its parts, and that it gives nothing away.
func requireFailed(t *testing.T, err error, sent outbound.Sent, kind fault.Kind, code string) {
	t.Helper()

	e, ok := errors.AsType[*outbound.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []string{string(sent), string(kind), code}, []string{string(e.Sent), string(e.Kind()), e.Code()}, e.Error())
	require.Equal(t, sent, outbound.SentOf(fmt.Errorf("order: %w", err)))

	for _, text := range []string{e.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%+v", *e), fmt.Sprintf("%#v", e)} {
		for _, leak := range []string{secret, "http:", "https:", "127.0.0.1", "localhost", "Bearer"} {
			require.NotContains(t, text, leak)
		}
	}
}

// hijack ends an exchange after some bytes.
func hijack(w http.ResponseWriter, answer string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}

	_, _ = io.WriteString(conn, answer)
	_ = conn.Close()
}

func TestDo_Worked(t *testing.T) {
	t.Parallel()

	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Request", "r1")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"got":%q,"key":%q,"type":%q,"accept":%q}`, body, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("Accept"))
	})

	c := call(b.url)
	re, err := b.client.Do(t.Context(), c)
	require.NoError(t, err)
	require.True(t, re.OK())
	require.Equal(t, http.StatusCreated, re.Status)
	require.Equal(t, "r1", re.Header.Get("X-Request"))

	var got struct{ Got, Key, Type, Accept string }

	require.NoError(t, re.Decode(&got))
	require.Equal(t, string(c.Body), got.Got)
	require.Equal(t, "Bearer "+secret, got.Key)
	require.Equal(t, [2]string{"application/json", "application/json"}, [2]string{got.Type, got.Accept})
	require.Len(t, c.Header, 1, "the caller's header is its own")
}

func TestDo_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	do := func(t *testing.T, address string) error {
		t.Helper()

		_, err := outbound.New(outbound.Options{Timeout: 5 * time.Second}).Do(t.Context(), call(address))

		return err
	}

	t.Run("NobodyThere", func(t *testing.T) {
		t.Parallel()

		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())

		err = do(t, "http://"+listener.Addr().String())
		requireFailed(t, err, outbound.NotSent, fault.Unavailable, "outbound_no_connection")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})

	t.Run("NoSuchHost", func(t *testing.T) {
		t.Parallel()

		err := do(t, "http://does-not-exist.invalid")
		require.Equal(t, outbound.NotSent, outbound.SentOf(err)) // a resolver that is away takes its time instead
	})

	t.Run("NoAddress", func(t *testing.T) {
		t.Parallel()

		err := do(t, "http://bad host\x00")
		requireFailed(t, err, outbound.NotSent, fault.Internal, "outbound_address")
	})

	t.Run("GivenUpBefore", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(http.ResponseWriter, *http.Request) {})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		_, err := b.client.Do(ctx, call(b.url))
		requireFailed(t, err, outbound.NotSent, fault.Unavailable, "outbound_canceled")
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, b.calls.Load())
	})

	t.Run("NoTLS", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(http.ResponseWriter, *http.Request) {})

		err := do(t, strings.Replace(b.url, "http:", "https:", 1))
		requireFailed(t, err, outbound.NotSent, fault.Unavailable, "outbound_no_connection")
	})
}

func TestDo_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		answer string
		status int
		kind   fault.Kind
		code   string
	}{
		"NoAnswer":  {"", 0, fault.Unavailable, "outbound_truncated"},
		"NoHTTP":    {"hello " + secret + "\r\n\r\n", 0, fault.Unavailable, "outbound_no_connection"},
		"Truncated": {"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{", 201, fault.Unavailable, "outbound_truncated"},
		"HalfChunk": {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 201, fault.Unavailable, "outbound_truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(w http.ResponseWriter, _ *http.Request) { hijack(w, c.answer) })

			_, err := b.do()
			requireFailed(t, err, outbound.MayHaveHappened, c.kind, c.code)
			require.EqualValues(t, 1, b.calls.Load(), "one call is one attempt")

			e, _ := errors.AsType[*outbound.Error](err)
			require.Equal(t, c.status, e.Status)
		})
	}

	// Until the client has gone, which an unread body would hide from the server.
	hang := func(r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)

		<-r.Context().Done()
	}

	t.Run("Slow", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(_ http.ResponseWriter, r *http.Request) { hang(r) },
			func(o *outbound.Options) { o.Timeout = 100 * time.Millisecond })

		_, err := b.do()
		requireFailed(t, err, outbound.MayHaveHappened, fault.Unavailable, "outbound_timeout")
	})

	t.Run("Stalled", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()

			hang(r)
		}, func(o *outbound.Options) { o.IdleTimeout = 100 * time.Millisecond })

		_, err := b.do()
		requireFailed(t, err, outbound.MayHaveHappened, fault.Unavailable, "outbound_stalled")
	})

	t.Run("GivenUpMeanwhile", func(t *testing.T) {
		t.Parallel()

		ctx, cancel := context.WithCancel(t.Context())
		b := setup(t, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			hang(r)
		})

		_, err := b.client.Do(ctx, call(b.url))
		requireFailed(t, err, outbound.MayHaveHappened, fault.Unavailable, "outbound_canceled")
	})
}
