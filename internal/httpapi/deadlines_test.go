package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

// pipes is a listener within a bubble of synctest: time passes while no side has anything to read.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial serves b as production does, on a connection without a buffer.
func dial(t *testing.T, b *bundle) net.Conn {
	t.Helper()

	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := httpapi.NewServer(b.handler, nil)
	ended := make(chan error, 1)

	go func() { ended <- server.Serve(l) }()

	ours, theirs := net.Pipe()
	l.conns <- theirs

	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
		require.NoError(t, ours.Close())
	})

	return ours
}

// A caller that asks to wait and then sends nothing is not waited for, whatever the route.
func TestDeadlines_BodyThatDoesNotCome(t *testing.T) {
	t.Parallel()

	for _, request := range []string{
		"POST /v1/generations", "GET /v1/generations/" + sampleID, "GET /v1/generations/" + sampleID + "/events",
		"POST /v1/uploads/upl_0197f2a8c4d27b53a1f09e6d58c3b214/complete", "GET /v1/models", "POST /webhooks/fal/token", "PUT /nothing",
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				conn := dial(t, b)
				began := time.Now()

				_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n"+
					"Prefer: wait=60\r\nContent-Length: 60000\r\n\r\n{", request)
				require.NoError(t, err)

				_, err = io.ReadAll(conn)
				require.NoError(t, err)
				require.Less(t, time.Since(began), 12*time.Second)
			})
		})
	}
}

// A caller that does not ask to wait hears within five seconds that we get no answer ourselves, whatever the route.
func TestDeadlines_NothingAnswersUs(t *testing.T) {
	t.Parallel()

	for _, pattern := range httpapi.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/v1/") || pattern == productsRoute {
			continue
		}

		t.Run(pattern, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				began := time.Now()

				w := b.do(method, strings.ReplaceAll(path, "{id}", sampleID), "", "Authorization", "Bearer frozen")
				require.Less(t, time.Since(began), 5*time.Second)
				requireCode(t, w, http.StatusServiceUnavailable, "database_unavailable")
				require.NotEmpty(t, w.Header().Get("Retry-After"))
				require.Contains(t, b.log.String(), `"status":503`)
				require.NotContains(t, b.log.String(), "request_abandoned")
			})
		})
	}
}

// A wait lasts although its body had little time, and the connection serves another request after it.
func TestDeadlines_WaitAfterABody(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(50 * time.Second)
		conn := dial(t, b)
		in := bufio.NewReader(conn)

		for _, want := range []time.Duration{50 * time.Second, 0} {
			began := time.Now()

			_, err := fmt.Fprintf(conn, "GET /v1/generations/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nPrefer: wait=60\r\nContent-Length: 2\r\n\r\n{}", sampleID)
			require.NoError(t, err)

			reply, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, reply.StatusCode)
			require.Equal(t, want, time.Since(began))

			_, err = io.Copy(io.Discard, reply.Body)
			require.NoError(t, err)
			require.NoError(t, reply.Body.Close())
		}
	})
}

// The reader of a download takes 16 KiB a second or is dropped; one who does gets all of it.
func TestDeadlines_SlowDownload(t *testing.T) {
	t.Parallel()

	const size = 4 << 20

	for name, c := range map[string]struct {
		rate  int // bytes a second
		whole bool
	}{"SlowEnough": {20 << 10, true}, "TooSlow": {8 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				a := album()
				a.Pictures = a.Pictures[:1]
				a.Pictures[0].Bytes = size
				b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return a, nil }
				b.open = func(generation.Picture) (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader(strings.Repeat("x", size))), nil
				}

				conn := dial(t, b)

				_, err := fmt.Fprintf(conn, "GET /v1/generations/download?id=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nConnection: close\r\n\r\n", sampleID)
				require.NoError(t, err)

				var got bytes.Buffer

				for err == nil {
					<-time.After(time.Second)

					_, err = io.CopyN(&got, conn, int64(c.rate))
				}

				require.Equal(t, c.whole, bytes.HasSuffix(got.Bytes(), []byte("0\r\n\r\n")), "%d bytes", got.Len())
			})
		})
	}
}
