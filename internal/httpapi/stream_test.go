package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// history is a generation that changes when told to, as Postgres would show it.
type history struct {
	mu     sync.Mutex
	now    generation.Generation
	events []generation.Event
	err    error // what looking at it answers, if not nil
}

func (h *history) change(status generation.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.now = sample(status, h.now.StatusSequence+1)
	h.events = append(h.events, generation.Event{Sequence: h.now.StatusSequence, Status: status, At: time.Now()})
}

func (h *history) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.err = err
}

func watched(b *bundle) *history {
	h := &history{now: sample(generation.StatusQueued, 1)}

	b.get = func(userID, id uuid.UUID) (generation.Generation, error) {
		h.mu.Lock()
		defer h.mu.Unlock()

		if h.err != nil {
			return generation.Generation{}, h.err
		}

		return ofAlice(h.now)(userID, id)
	}
	b.events = func(_, _ uuid.UUID, after int64) ([]generation.Event, error) {
		h.mu.Lock()
		defer h.mu.Unlock()

		if h.err != nil {
			return nil, h.err
		}

		var later []generation.Event

		for _, e := range h.events {
			if e.Sequence > after {
				later = append(later, e)
			}
		}

		return later, nil
	}

	return h
}

// watch runs a stream to its end and returns its messages, each with the second it was sent in.
func watch(ctx context.Context, b *bundle, headers ...string) (*stamped, *httptest.ResponseRecorder) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/generations/"+sampleID+"/events", http.NoBody)
	r.Header.Set("Authorization", "Bearer alice")

	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}

	w := &stamped{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	b.handler.ServeHTTP(w, r)

	return w, w.ResponseRecorder
}

type stamped struct {
	*httptest.ResponseRecorder

	began time.Time
	lines []string
}

func (s *stamped) Write(p []byte) (int, error) {
	var what []string

	for line := range strings.SplitSeq(strings.TrimSpace(string(p)), "\n") {
		if !strings.HasPrefix(line, "data:") {
			what = append(what, strings.TrimPrefix(line, "id: "+sampleID))
		}
	}

	s.lines = append(s.lines, fmt.Sprintf("%gs %s", time.Since(s.began).Seconds(), strings.Join(what, " ")))

	return s.ResponseRecorder.Write(p)
}

func TestStream_SnapshotChangesEnd(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		h := watched(b)

		time.AfterFunc(time.Second, func() {
			h.change(generation.StatusSubmitting)
			h.change(generation.StatusRunning)
			b.notified <- struct{}{}
		})
		time.AfterFunc(20*time.Second-time.Millisecond, func() { h.change(generation.StatusSucceeded) }) // its notification is lost

		s, w := watch(t.Context(), b)

		require.Equal(t, []string{
			"0s retry: 3000",
			"0s :1 event: snapshot",
			"1s :2 event: change",
			"1s :3 event: change",
			"15s : heartbeat",
			"20s :4 event: change",
		}, s.lines)

		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "no", w.Header().Get("X-Accel-Buffering"))
		require.True(t, w.Flushed)

		data := dataOf(w.Body)
		requireSchema(t, "Generation", data[0])

		for _, d := range data[1:] {
			requireSchema(t, "GenerationEvent", d)
		}

		require.Contains(t, data[1], `"generation":null`, "overtaken when it was sent")
		require.NotContains(t, data[2], `"generation":null`)
		require.Contains(t, data[3], `"progress":1`)
	})
}

func TestStream_Resumes(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		lastEventID string
		want        []string
		status      int
	}{
		"AfterSomeChanges": {sampleID + ":2", []string{"0s retry: 3000", "0s :3 event: change", "0s :4 event: change"}, 200},
		"AfterTheLast":     {sampleID + ":4", nil, 204},
		"FromTheFuture":    {sampleID + ":9", []string{"0s retry: 3000", "0s :4 event: snapshot"}, 200},
		"OfAnother":        {"gen_ffffffffffffffffffffffffffffffff:2", []string{"0s retry: 3000", "0s :4 event: snapshot"}, 200},
		"Nonsense":         {"CANARY-7f3a", []string{"0s retry: 3000", "0s :4 event: snapshot"}, 200},
		"Negative":         {sampleID + ":-1", []string{"0s retry: 3000", "0s :4 event: snapshot"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				h := watched(b)
				h.change(generation.StatusSubmitting)
				h.change(generation.StatusRunning)
				h.change(generation.StatusFailed)

				s, w := watch(t.Context(), b, "Last-Event-ID", c.lastEventID)
				require.Equal(t, c.want, s.lines)
				require.Equal(t, c.status, w.Code)
			})
		})
	}
}

func TestStream_Ends(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		after time.Duration
		do    func(b *bundle, h *history, cancel func())
		takes time.Duration
	}{
		"WithTheProcess": {time.Second, func(b *bundle, _ *history, _ func()) { close(b.closing) }, time.Second},
		"WithTheClient":  {time.Second, func(_ *bundle, _ *history, cancel func()) { cancel() }, time.Second},
		"WhenDeleted":    {time.Second, func(_ *bundle, h *history, _ func()) { h.fail(generation.ErrDeleted) }, 2 * time.Second},
		"AfterAWhile":    {time.Second, func(*bundle, *history, func()) {}, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				h := watched(b)

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()

				time.AfterFunc(c.after, func() { c.do(b, h, cancel) })

				began := time.Now()
				watch(ctx, b)
				require.Equal(t, c.takes, time.Since(began))
			})
		})
	}
}

func TestStream_OutlivesAnOutage(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		h := watched(b)

		time.AfterFunc(time.Second, func() { h.fail(errors.New("no database")) })
		time.AfterFunc(11*time.Second, func() { h.fail(nil); h.change(generation.StatusCanceled) })

		s, _ := watch(t.Context(), b)

		require.Equal(t, []string{"0s retry: 3000", "0s :1 event: snapshot", "12s :2 event: change"}, s.lines)
		require.Equal(t, 1, strings.Count(b.log.String(), "could not be read"), "said once")
	})
}

func TestStream_Refusals(t *testing.T) {
	t.Parallel()

	b := setup(t)
	watched(b)

	requireCode(t, b.do("GET", "/v1/generations/"+sampleID+"/events", "", "Authorization", "Bearer bob"), http.StatusNotFound, "not_found")
	requireCode(t, b.do("GET", "/v1/generations/"+sampleID+"/events", "", "Authorization", ""), http.StatusUnauthorized, "unauthenticated")

	w := b.do("HEAD", "/v1/generations/"+sampleID+"/events", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Body.String())
}

// Twenty streams of a user are open; one more is refused, another user's is not, and each that
// ends makes room.
func TestStream_LimitOfAUser(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		watched(b)

		ctx, cancel := context.WithCancel(t.Context())

		for range 20 {
			go watch(ctx, b)
		}

		synctest.Wait()
		require.InDelta(t, 20, testutil.ToFloat64(b.metrics.Collectors()[2]), 0)

		p := requireCode(t, b.do("GET", "/v1/generations/"+sampleID+"/events", ""), http.StatusTooManyRequests, "too_many_streams")
		require.True(t, p.Retryable)

		b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return album(), nil }
		p = requireCode(t, b.do("GET", "/v1/generations/download?id="+sampleID, ""), http.StatusTooManyRequests, "too_many_streams")
		require.Contains(t, p.Detail, "downloads")

		// A wait is only a preference: it is answered at once instead.
		began := time.Now()
		w := b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30")
		require.Equal(t, http.StatusOK, w.Code)
		require.Zero(t, time.Since(began))
		require.Empty(t, w.Header().Get("Preference-Applied"))

		cancel()
		synctest.Wait()
		require.InDelta(t, 0, testutil.ToFloat64(b.metrics.Collectors()[2]), 0)

		time.AfterFunc(time.Second, func() { close(b.closing) })

		_, again := watch(t.Context(), b)
		require.Equal(t, http.StatusOK, again.Code)
	})
}

// On a real connection, past the server's own timeouts, and with messages as they happen.
func TestStream_RealConnection(t *testing.T) {
	t.Parallel()

	b := setup(t)
	h := watched(b)

	// Of a server: longer than a busy machine takes to begin the answer, which is bound by it.
	const short = 2 * time.Second

	server := httptest.NewUnstartedServer(b.handler)
	server.Config.WriteTimeout, server.Config.ReadTimeout = short, short
	server.Start()
	t.Cleanup(server.Close)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/generations/"+sampleID+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer alice")

	reply, err := server.Client().Do(r)
	require.NoError(t, err)

	defer func() { require.NoError(t, reply.Body.Close()) }()

	lines := bufio.NewReader(reply.Body)
	awaitLine(t, lines, "event: snapshot")

	timeouts := time.NewTimer(short + 100*time.Millisecond) // both of the server's pass
	<-timeouts.C

	h.change(generation.StatusRunning)
	b.notified <- struct{}{}

	awaitLine(t, lines, "id: "+sampleID+":2")
	h.change(generation.StatusExpired)
	b.notified <- struct{}{}

	rest, err := readAll(lines)
	require.NoError(t, err, "ended, not cut off")
	require.Contains(t, rest, `"status":"expired"`)
}

func awaitLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()

	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)

		if strings.TrimSpace(line) == want {
			return
		}
	}
}

func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(r)

	return string(b), err
}

func dataOf(r io.Reader) []string {
	var data []string

	for s := bufio.NewScanner(r); s.Scan(); {
		if d, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			data = append(data, d)
		}
	}

	return data
}

func requireSchema(t *testing.T, name, text string) {
	t.Helper()

	c := contractOf(t)
	w := httptest.NewRecorder()
	w.Body.WriteString(text)

	schema, err := c.compiler.Compile("https://test.invalid/spec#/components/schemas/" + name)
	require.NoError(t, err)
	require.NoError(t, schema.Validate(decode[any](t, w)), text)
}
