package outbound_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/outbound"
)

func TestDo_TakesNoMoreThanItShould(t *testing.T) {
	t.Parallel()

	for name, serve := range map[string]http.HandlerFunc{
		"Announced": func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
		},
		"Endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, serve)

			_, err := b.do(func(c *outbound.Call) { c.MaxReply = 1000 })
			requireFailed(t, err, outbound.MayHaveHappened, fault.TooLarge, "outbound_too_long")
		})
	}

	t.Run("JustEnough", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })

		re, err := b.do(func(c *outbound.Call) { c.MaxReply = 1000 })
		require.NoError(t, err)
		require.Len(t, re.Body, 1000)
	})

	t.Run("OfWhatIsNotOK", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(make([]byte, 2000))
		})

		re, err := b.do(func(c *outbound.Call) { c.MaxReply, c.OnlyOK = 1000, true })
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, re.Status)
		require.Empty(t, re.Body)
	})

	// Slow is not stalled: each piece is in time, although all together are not.
	t.Run("InPieces", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 8 {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()

				<-time.After(150 * time.Millisecond)
			}
		}, func(o *outbound.Options) { o.IdleTimeout = time.Second })

		re, err := b.do()
		require.NoError(t, err)
		require.Equal(t, "xxxxxxxx", string(re.Body))
	})
}

func TestDo_FollowsNoRedirect(t *testing.T) {
	t.Parallel()

	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("another host was called")
	}))
	t.Cleanup(elsewhere.Close)

	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})

	re, err := b.do()
	require.NoError(t, err)
	require.False(t, re.OK())
	require.Equal(t, http.StatusTemporaryRedirect, re.Status)
	requireFailed(t, re.AsError(), outbound.Answered, fault.Internal, "outbound_internal")
}
